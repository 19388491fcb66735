"""`astraeus delivery`: look into the ledger, accept what was refused."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer

from astraeus_pipeline.cli.context import actor, connected, open_migrated
from astraeus_pipeline.cli.output import Json, console, print_json, print_records
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.settings import Settings

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_(
    account: Annotated[str | None, typer.Option(help="Only this account.")] = None,
    state: Annotated[
        str | None, typer.Option(help="loaded, unchanged, refused, quarantined or failed")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List deliveries, newest first."""
    records = _query(
        "select id, account_id as account, dataset, first_day, last_day, state, rows,"
        " quarantined_rows as quarantined, finished_at, reason from raw.deliveries"
        " where (%(account)s::text is null or account_id = %(account)s)"
        " and (%(state)s::text is null or state = %(state)s) order by id desc limit %(limit)s",
        {"account": account, "state": state, "limit": limit},
    )
    print_records("Deliveries", records, as_json=as_json, empty="No delivery matches.")


@app.command()
def show(delivery: int, as_json: Json = False) -> None:
    """Show one delivery: payload, control totals, days held back, rows in quarantine."""
    from astraeus_pipeline.warehouse.landing import LandingStore

    found = _delivery(delivery)
    if found["payload_uri"]:
        store = LandingStore.from_settings(Settings.from_env())
        found["payload"] = store.location(found["payload_uri"])
    found["days_held_back"] = _query(
        "select usage_date, outcome, rows, reason from raw.delivery_days"
        " where delivery_id = %(id)s and outcome in ('blocked', 'refused') order by 1 limit 50",
        {"id": delivery},
    )
    found["quarantine"] = _query(
        "select row_number, usage_date, reason, raw_text from raw.quarantine"
        " where delivery_id = %(id)s order by 1 limit 20",
        {"id": delivery},
    )
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if value not in (None, [], {}):
            console.print(f"[bold]{name}[/]: {value}", highlight=False, soft_wrap=True)


@app.command()
def accept(
    delivery: int,
    reason: Annotated[str, typer.Option(help="Why it is right; kept in the ledger.")],
    day: Annotated[
        list[str] | None,
        typer.Option(help="UTC day to let in; repeatable. All that wait if left out."),
    ] = None,
) -> None:
    """Let in days that were refused, or that the marts hold back, although they do not tie out."""
    from astraeus_pipeline.accounts import store

    found = _delivery(delivery)
    if not reason.strip():
        raise ConfigError("The reason is empty.", hint="Say why the figures are right.")
    days = _waiting(found, _days(day))
    settings, who = Settings.from_env(), actor()
    loaded_as, sentence = _let_in(settings, found, days, reason, who.name)
    with connected("app") as conn:
        detail = {
            "reason": reason,
            "accepted": delivery,
            "loaded_as": loaded_as,
            "days": [str(each) for each in sorted(days)],
        }
        store.audit(conn, who, "delivery.accept", found["account_id"], detail)
    console.print(f"{sentence} The marts follow with the next build.")


def _let_in(
    settings: Settings, found: dict[str, Any], days: frozenset[date], reason: str, by: str
) -> tuple[int, str]:
    """Accept the days; return the delivery that they stand in, and what was done in a sentence."""
    from astraeus_pipeline.orchestration.delivering import Ingestion, reload
    from astraeus_pipeline.providers.registry import provider
    from astraeus_pipeline.warehouse import acceptances

    acceptance = acceptances.Acceptance(by, reason, found["id"], days)
    ingestion = Ingestion.from_settings(settings)
    if found["days_refused"]:
        result = reload(ingestion, provider(found["provider"]), found["payload_uri"], acceptance)
        return result.delivery_id, (
            f"{len(days)} days of delivery {found['id']} were loaded as {result.delivery_id}:"
            f" {result.state}."
        )
    with ingestion.database.connect("loader", autocommit=True) as conn:
        acceptances.accept_standing(conn, found["account_id"], acceptance)
    return found["id"], f"{len(days)} days of delivery {found['id']} are accepted as they stand."


def _waiting(found: dict[str, Any], wanted: set[date]) -> frozenset[date]:
    """Return the days of a delivery that wait for a person, of those wanted if any are named.

    Raises: ConfigError where a wanted day, or any at all, does not wait.
    """
    refused = _query(
        "select usage_date from raw.partitions where account_id = %(account)s"
        " and dataset = %(dataset)s and state = 'refused' and blocked_by = %(id)s",
        {"account": found["account_id"], "dataset": found["dataset"], "id": found["id"]},
    )
    waiting = {row["usage_date"] for row in refused} or _held_in_marts(found["id"])
    missing = sorted(wanted - waiting)
    if missing or not waiting:
        which = f"{missing[0]} of delivery" if missing else "Of delivery"
        raise ConfigError(
            f"{which} {found['id']} ({found['state']}) nothing waits to be accepted.",
            hint="A later delivery may have spoken of it since: `astraeus reconcile --state"
            " blocked` and `astraeus delivery list --state refused` show what waits.",
        )
    return frozenset(wanted or waiting)


def _held_in_marts(delivery: int) -> set[date]:
    """Return the days of a standing delivery that do not tie in the layers above raw."""
    with connected("operator") as conn:
        built = conn.execute("select to_regclass('marts.fct_reconciliations')").fetchone()
        if built is None or built[0] is None:
            return set()
        rows = conn.execute(
            "select distinct usage_date from marts.fct_reconciliations where state = 'blocked'"
            " and delivery_id = %s and usage_date is not null"
            " and check_name <> 'delivered_vs_standing'",
            [delivery],
        )
        return {row[0] for row in rows}


def _days(texts: list[str] | None) -> set[date]:
    try:
        return {date.fromisoformat(text) for text in texts or ()}
    except ValueError as error:
        raise ConfigError(f"{error}.", hint="Write days as 2026-10-31.") from None


def _delivery(delivery: int) -> dict[str, Any]:
    rows = _query("select * from raw.deliveries where id = %(id)s", {"id": delivery})
    if not rows:
        raise ConfigError(
            f"There is no delivery {delivery}.", hint="`astraeus delivery list` shows them."
        )
    return rows[0]


def _query(query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    from psycopg.rows import dict_row

    database = open_migrated(Settings.from_env())
    with database.connect("app", autocommit=True) as conn:
        cursor = conn.cursor(row_factory=dict_row)
        cursor.execute(query, parameters)
        return cursor.fetchall()
