"""`astraeus line-items`: have another engine sum line items, and take back what it summed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astraeus_pipeline.cli.context import connected
from astraeus_pipeline.cli.output import Json, console, print_json, tell
from astraeus_pipeline.errors import ConfigError, LoadError
from astraeus_pipeline.settings import Settings

if TYPE_CHECKING:
    import psycopg

    from astraeus_pipeline.contracts.delivery import RowBatch
    from astraeus_pipeline.warehouse.landing import LandingStore
    from astraeus_pipeline.warehouse.line_items import Read, Standing

app = typer.Typer(no_args_is_help=True)


@app.command()
def order(
    everything: Annotated[
        bool, typer.Option("--all", help="All slices, not only those that have changed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write line items as Parquet into the landing store, and an order for their sums.

    Prints the order's folder, for ASTRAEUS_LINE_ITEMS_ORDER; nothing where no slice has changed.
    """
    from astraeus_pipeline.warehouse import line_items
    from astraeus_pipeline.warehouse.landing import LandingStore

    landing = LandingStore.from_settings(Settings.from_env())
    with connected("dbt") as conn:
        _refuse_unbuilt(conn)
        deliveries = line_items.standing_deliveries(conn, is_everything=everything)
    if not deliveries:
        tell("No line items have changed.")
        return
    placed = line_items.place_order(landing, deliveries, _reading(landing))
    for reason in placed.refused.values():
        tell(f"Left out: {reason}")
    if as_json:
        print_json({"order": placed.name, "folder": placed.folder, "slices": placed.slices})
    else:
        console.print(placed.folder, highlight=False, soft_wrap=True)
    if placed.refused:
        raise typer.Exit(1)


@app.command()
def where() -> None:
    """Print the landing store, below which line items and orders lie."""
    console.print(Settings.from_env().landing_root, highlight=False, soft_wrap=True)


@app.command("take-back")
def take_back(
    folder: Annotated[str, typer.Argument(help="The order's folder, as `order` printed it.")],
    as_json: Json = False,
) -> None:
    """Take the daily costs of an order into PostgreSQL where they tie out; tell where not."""
    from astraeus_pipeline.warehouse import line_item_sums
    from astraeus_pipeline.warehouse.landing import LandingStore

    name = folder.rstrip("/").rpartition("/")[2]
    with connected("dbt") as conn:
        _refuse_unbuilt(conn)
        landing = LandingStore.from_settings(Settings.from_env())
        taken = line_item_sums.take_back(conn, landing, name)
    content: dict[str, Any] = {
        "daily_costs": taken.daily_costs,
        "slices": len(taken.tied),
        "overtaken": len(taken.overtaken),
        "held_back": [vars(each) for each in taken.held_back],
    }
    if as_json:
        print_json(content)
    else:
        console.print(
            f"{taken.daily_costs} daily costs of {len(taken.tied)} slices taken back;"
            f" {len(taken.overtaken)} slices have a newer delivery."
        )
    if taken.held_back:
        first = taken.held_back[0]
        raise LoadError(
            f"{len(taken.held_back)} slices do not tie out and were held back. The first: account"
            f" {first.account_id}, {first.usage_date}: {first.reason}.",
            hint="Their former figures stand; `intermediate.summed_slices` has all of them.",
        )


def _refuse_unbuilt(conn: psycopg.Connection) -> None:
    """Ask for a build of the marts, which makes the tables of what has been summed."""
    if conn.execute("select to_regclass('intermediate.summed_slices')").fetchone() == (None,):
        raise ConfigError(
            "The marts have not been built yet.",
            hint="Ingest an account (`astraeus backfill`), or run `astraeus demo`.",
        )


def _reading(landing: LandingStore) -> Read:
    from astraeus_pipeline.providers.registry import provider

    def read(standing: Standing) -> Iterable[RowBatch]:
        return provider(standing.provider).rows(
            landing.read_manifest(standing.payload_uri), landing
        )

    return read
