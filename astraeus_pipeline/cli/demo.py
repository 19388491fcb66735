"""`astraeus demo`: an invented company's bills through the real pipeline."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

import typer

from astraeus_pipeline.cli import demo_alerts, demo_report, demo_users, sign_in_links, up
from astraeus_pipeline.cli.backfill import run_backfill
from astraeus_pipeline.cli.context import key_ring, open_migrated
from astraeus_pipeline.cli.output import console
from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.settings import Settings

if TYPE_CHECKING:
    from astraeus_pipeline.cli.workers import Workers
    from astraeus_pipeline.sandbox.state import SandboxState
    from astraeus_pipeline.warehouse.engine import Database

# Of what is no bill, enough to show; a backfill brings more.
_RECENT_DAYS: Final = 30
# Accounts ingested at the same time, by a process each.
_AT_ONCE: Final = 2

Backfilling = Callable[..., tuple[list[Any], str | None]]


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
    from astraeus_pipeline.cli.workers import workers
    from astraeus_pipeline.orchestration import environment

    with _step("Database"):
        database = open_migrated(settings)
    with _step("Parse of the dbt project, where it changed"):
        environment.prepare(settings, database)
    with workers(settings, database, _AT_ONCE) as pool, _sandbox(settings.home) as state:
        _add_accounts(database, settings.home, state)
        _discover(database)
        _add_allocation_rules(database)
        _add_budgets(database)
        backfill = partial(run_backfill, settings, database, pool=pool)
        _ingest(backfill, pool, settings.home, state)
        _restate(backfill, pool, settings.home, state)
    with _step("Alerts"):
        demo_alerts.raise_some(database)
    demo_report.show(database)
    console.print(f"Done in {time.monotonic() - started:.0f} s.")
    if serve:
        with _step("Dagster and the app"):
            addresses = up.start_detached(settings, dagster_port, app_port)
        console.print("\nLook here (`astraeus stop` ends both):")
        up.print_addresses(addresses)
        sign_in_links.print_first(database, settings.app_url or addresses["app"])
        demo_users.give_passwords(database)
    console.print(
        "More: `astraeus reconcile`, `astraeus costs`, `astraeus status`, `astraeus alert list`."
    )


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


def _discover(database: Database) -> None:
    """Let the payer find its organization's members; one of them nobody has added yet."""
    from astraeus_pipeline.accounts.store import Actor
    from astraeus_pipeline.orchestration.discovering import discover

    with (
        _step("Accounts below others"),
        database.connect("app", autocommit=True) as conn,
    ):
        done = discover(conn, key_ring(), Actor("demo"))
    for each in done.findings:
        outcome = "is an account already" if each.outcome == "taken" else each.outcome
        console.print(f"  {each.name} ({each.external_id}) below {each.parent}: {outcome}")
    if done.errors:
        raise AstraeusError("\n".join(f"{slug}: {error}" for slug, error in done.errors.items()))


def _add_allocation_rules(database: Database) -> None:
    """Say who bears which costs, unless somebody has said so already."""
    from astraeus_pipeline.sandbox.allocation import RULES
    from astraeus_pipeline.warehouse import allocation_rules

    with database.connect("app", autocommit=True) as conn:
        if not allocation_rules.list_rules(conn):
            rules = [allocation_rules.parse(rule) for rule in RULES]
            allocation_rules.replace_all(conn, rules, "demo")


def _add_budgets(database: Database) -> None:
    """Say what may be spent, unless somebody has said so already."""
    from astraeus_pipeline.sandbox.budgets import demo_budgets
    from astraeus_pipeline.warehouse import budgets

    with database.connect("app", autocommit=True) as conn:
        if not budgets.list_budgets(conn):
            for each in demo_budgets(datetime.now(UTC).date()):
                budgets.add(conn, each, "demo")


def _ingest(backfill: Backfilling, pool: Workers, home: Path, state: SandboxState) -> None:
    today = datetime.now(UTC).date()
    days = DayRange(state.estate.first_day, today)
    slugs = _slugs(home, state)
    with _step(f"Costs of {len(slugs)} accounts, {days} ({len(days) * len(slugs)} partitions)"):
        _raise_for(backfill(slugs, days, build_marts=False))
    recent = DayRange(today - timedelta(days=_RECENT_DAYS), today)
    further = _further_datasets(pool)
    with _step(f"{', '.join(further).capitalize()}: last {_RECENT_DAYS} days, or today's"):
        _raise_for(backfill(None, recent, further, build_marts=False))


def _restate(backfill: Backfilling, pool: Workers, home: Path, state: SandboxState) -> None:
    """Let time pass at the providers: late usage, a refund, the close of last month."""
    from astraeus_pipeline.sandbox import azure_exports, exported_bill, focus_files
    from astraeus_pipeline.sandbox import state as states

    slugs = _slugs(home, state)
    with _step("The marts"):
        _raise_for(([], pool.build_marts()))
    today = datetime.now(UTC).date()
    states.revise(home, 1)
    revised = states.read(home) or state
    focus_files.write(revised.estate, states.bills(home), today)
    azure_exports.write(revised.estate, states.azure_blobs(home), today)
    exported_bill.write(f"http://127.0.0.1:{state.moto_port}", revised.estate, today)
    window = DayRange((today.replace(day=1) - timedelta(days=1)).replace(day=1), today)
    with _step("The same window again, after the providers restated it, and the marts"):
        _raise_for(backfill(slugs, window))


def _slugs(home: Path, state: SandboxState) -> list[str]:
    from astraeus_pipeline.sandbox.accounts import demo_accounts

    return [each.slug for each in demo_accounts(home, state)]


def _further_datasets(pool: Workers) -> list[str]:
    """Return what the accounts, those that were found included, tell beside their costs."""
    found = {
        dataset
        for _, datasets in pool.accounts().values()
        for dataset in datasets
        if dataset != "costs"
    }
    return [dataset for dataset in get_args(Dataset) if dataset in found]


def _raise_for(outcome: tuple[list[Any], str | None]) -> None:
    runs, marts = outcome
    errors = [f"{run.account}: {run.error}" for run in runs if run.error]
    if errors or marts:
        raise AstraeusError(
            "\n".join([*errors, marts or ""]).strip(), hint="See logs/backfill.log."
        )
