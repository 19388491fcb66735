"""`astraeus delivery`: look into the ledger, accept what was refused."""

from __future__ import annotations

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
) -> None:
    """Let a refused payload in, although it shrinks or does not tie out."""
    from astraeus_pipeline.accounts import store
    from astraeus_pipeline.orchestration.delivering import Ingestion, reload
    from astraeus_pipeline.providers.registry import provider
    from astraeus_pipeline.warehouse.loader import Acceptance

    found = _delivery(delivery)
    if found["state"] != "refused":
        raise ConfigError(
            f"Delivery {delivery} is {found['state']}, not refused.",
            hint="`astraeus delivery list --state refused` shows what waits.",
        )
    if not reason.strip():
        raise ConfigError("The reason is empty.", hint="Say why the smaller figures are right.")
    settings = Settings.from_env()
    ingestion = Ingestion.from_settings(settings)
    who = actor()
    result = reload(
        ingestion, provider(found["provider"]), found["payload_uri"], Acceptance(who.name, reason)
    )
    with connected("app") as conn:
        detail = {"reason": reason, "accepted": delivery, "loaded_as": result.delivery_id}
        store.audit(conn, who, "delivery.accept", found["account_id"], detail)
    console.print(
        f"Delivery {delivery} was loaded as {result.delivery_id}: {result.state}. The marts follow"
        " with the next build."
    )


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
