"""`astraeus demo`: an invented company's bills through the real pipeline."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astraeus_pipeline.cli import up
from astraeus_pipeline.cli.backfill import run_backfill
from astraeus_pipeline.cli.context import key_ring, open_migrated
from astraeus_pipeline.cli.output import console, print_table
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.settings import Settings

if TYPE_CHECKING:
    from astraeus_pipeline.sandbox.state import SandboxState
    from astraeus_pipeline.warehouse.engine import Database


def demo(
    serve: Annotated[
        bool, typer.Option(help="Leave Dagster and the app running in the background.")
    ] = True,
    dagster_port: up.DagsterPort = 0,
    app_port: up.AppPort = 0,
) -> None:
    """Make the demo: emulated clouds, real ingestion, marts, a restatement, and where to look."""
    started = time.monotonic()
    settings = Settings.from_env()
    with _step("Database"):
        database = open_migrated(settings)
    with _sandbox(settings.home) as state:
        _add_accounts(database, settings.home, state)
        _ingest(settings, database, state)
        _restate(settings, database, state)
    _report(database)
    console.print(f"Done in {time.monotonic() - started:.0f} s.")
    if serve:
        with _step("Dagster and the app"):
            addresses = up.start_detached(settings, dagster_port, app_port)
        console.print("\nLook here (`astraeus stop` ends both):")
        up.print_addresses(addresses)


@contextmanager
def _step(name: str) -> Iterator[None]:
    started = time.monotonic()
    with console.status(f"{name} ..."):
        yield
    console.print(f"[green]done[/] {name} ({time.monotonic() - started:.1f} s)")


@contextmanager
def _sandbox(home: Path) -> Iterator[SandboxState]:
    """Run the emulators as a process of their own, as `astraeus up` will."""
    from astraeus_pipeline.sandbox import state as states

    with _step("Emulated clouds"):
        known = states.read(home)
        if known is None:
            states.write(home, states.SandboxState(datetime.now(UTC).date()))
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "astraeus_pipeline.sandbox.serve", str(home)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        line = process.stdout.readline() if process.stdout else b""
    state = states.read(home)
    if line.strip() != b"ready" or state is None:
        process.kill()
        raise AstraeusError(
            "The emulated clouds did not start.",
            hint=f"`{sys.executable} -m astraeus_pipeline.sandbox.serve {home}` says why.",
        )
    try:
        yield state
    finally:
        process.terminate()
        process.wait(20)


def _add_accounts(database: Database, home: Path, state: SandboxState) -> None:
    from astraeus_pipeline.accounts import store
    from astraeus_pipeline.sandbox.accounts import demo_accounts

    actor, ring = store.Actor("demo"), key_ring()
    with database.connect("app", autocommit=True) as conn:
        known = {row.slug for row in store.list_accounts(conn)}
        for each in demo_accounts(home, state):
            if each.slug in known:
                store.update_config(conn, each.slug, each.config, actor)
            else:
                new = store.NewAccount(
                    each.slug, each.provider, each.name, each.config, each.credentials
                )
                store.add_account(conn, new, ring, actor)


def _ingest(settings: Settings, database: Database, state: SandboxState) -> None:
    today = datetime.now(UTC).date()
    days = DayRange(state.estate.first_day, today)
    slugs = _slugs()
    with _step(f"Costs of {len(slugs)} accounts, {days} ({len(days) * len(slugs)} partitions)"):
        _raise_for(run_backfill(settings, database, slugs, days, build_marts=False))
    with _step("Inventory of the AWS accounts, and the marts"):
        aws = [slug for slug in slugs if slug.startswith("acme-")]
        _raise_for(run_backfill(settings, database, aws, DayRange(today, today), "resources"))


def _restate(settings: Settings, database: Database, state: SandboxState) -> None:
    """Let time pass at the providers: late usage, a refund, the close of last month."""
    from astraeus_pipeline.sandbox import focus_files
    from astraeus_pipeline.sandbox import state as states

    today = datetime.now(UTC).date()
    states.revise(settings.home, 1)
    revised = states.read(settings.home) or state
    focus_files.write(revised.estate, states.bills(settings.home), today)
    window = DayRange((today.replace(day=1) - timedelta(days=1)).replace(day=1), today)
    with _step("The same window again, after the providers restated it, and the marts"):
        _raise_for(run_backfill(settings, database, _slugs(), window))


def _slugs() -> list[str]:
    from astraeus_pipeline.sandbox.estate import AWS_OWNERS, FOCUS_OWNERS

    return [owner.slug for owner in (*AWS_OWNERS, *FOCUS_OWNERS)]


def _raise_for(outcome: tuple[list[Any], str | None]) -> None:
    runs, marts = outcome
    errors = [f"{run.account}: {run.error}" for run in runs if run.error]
    if errors or marts:
        raise AstraeusError(
            "\n".join([*errors, marts or ""]).strip(), hint="See logs/backfill.log."
        )


def _report(database: Database) -> None:
    """Print what stands, tied to the providers' own totals."""
    with database.connect("reader", autocommit=True) as conn:
        costs = conn.execute(
            "select account_id, billing_currency, sum(charges), min(usage_date), max(usage_date),"
            " sum(billed_cost), sum(effective_cost) from marts.fct_daily_costs"
            " group by 1, 2 order by 1"
        ).fetchall()
        ties: dict[str, str] = dict(
            conn.execute(
                "select account_id, count(*) || ' totals, largest residual '"
                " || trim_scale(max((control ->> 'residual')::numeric))"
                " from marts.fct_deliveries, jsonb_array_elements(control_totals) as control"
                " group by 1"
            ).fetchall()
        )
        restated = conn.execute(
            "select account_id, count(distinct usage_date), trim_scale(sum(delta)), currency"
            " from marts.fct_restatements where cost_type in ('billed_cost', 'net_unblended_cost')"
            " group by 1, 4 order by 1"
        ).fetchall()
        states = conn.execute(
            "select state, count(*) from marts.fct_freshness where dataset = 'costs'"
            " group by 1 order by 2 desc"
        ).fetchall()
        found = conn.execute(
            "select account_id, resource_type, count(*) from marts.dim_resources where is_active"
            " group by 1, 2 order by 1, 3 desc"
        ).fetchall()
    print_table(
        "What stands in the marts",
        [
            "account",
            "currency",
            "charges",
            "from",
            "to",
            "billed",
            "effective",
            "provider's totals",
        ],
        (
            [*row[:5], f"{row[5]:,.2f}", f"{row[6]:,.2f}", ties.get(row[0], "none given")]
            for row in costs
        ),
    )
    print_table(
        "Restated since the first load", ["account", "days", "change", "currency"], restated
    )
    console.print("Account-days: " + ", ".join(f"{count} {state}" for state, count in states))
    _print_resources(found)
    _print_anomalies()


def _print_resources(found: list[Any]) -> None:
    accounts: dict[str, list[str]] = {}
    for account, kind, count in found:
        accounts.setdefault(account, []).append(f"{count} {kind}")
    for account, kinds in accounts.items():
        console.print(f"Resources of {account}: {', '.join(kinds)}", soft_wrap=True)


def _print_anomalies() -> None:
    from astraeus_pipeline.sandbox.estate import ANOMALIES

    planted = ", ".join(f"{each.kind} in {each.service} ({each.slug})" for each in ANOMALIES)
    console.print(f"Planted to be found: {planted}", soft_wrap=True)
