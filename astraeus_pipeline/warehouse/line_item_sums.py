"""Daily costs that an engine summed from line items, back into PostgreSQL, slice by slice.

A slice is taken where its sums are exactly those of the line items that were ordered, which are
those of the ledger. One that differs is held back with what differs; the others stand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from astraeus_pipeline.contracts.line_items import TIED_COSTS
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.line_items import SLICES, order_folder
from astraeus_pipeline.warehouse.object_stores import told
from astraeus_pipeline.warehouse.slice_sums import Key, Sums, sums_of_daily_costs

MART: Final = "fct_daily_costs"
_TABLE: Final = sql.Identifier("intermediate", "daily_costs_summed")
_COSTS: Final = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
# Columns of fct_daily_costs.
COLUMNS: Final = (
    *("provider", "account_id", "billing_account_id", "sub_account_id", "sub_account_name"),
    *("service_category", "service_name", "region_id", "charge_category", "billing_currency"),
    *("usage_date", "billing_period", *_COSTS, "charges", "is_final", "is_invoiced"),
    *("delivery_id", "loaded_at"),
)


@dataclass(frozen=True, order=True)
class SummedSlice:
    """One slice of an order: the delivery that it stands in, and what is wrong with its sums."""

    account_id: str
    usage_date: date
    billing_period: date
    delivery_id: int
    rows: int
    reason: str | None = None


@dataclass(frozen=True)
class Taken:
    """What became of an order's slices; `overtaken` stand in a newer delivery by now."""

    tied: list[SummedSlice]
    held_back: list[SummedSlice]
    overtaken: list[SummedSlice]
    daily_costs: int


def take_back(conn: psycopg.Connection, landing: LandingStore, order: str) -> Taken:
    """Replace the order's slices by what the engine summed, in one transaction.

    `conn` has the role dbt. Raises: ConfigError where nothing was summed for the order, StoreError.
    """
    ordered = _read(landing, f"{order_folder(order)}/{SLICES}").to_pylist()
    daily = _summed(landing, order)
    judged = compare(ordered, daily)
    with conn.transaction():
        conn.execute("select pg_advisory_xact_lock(hashtextextended('line items', 0))")
        overtaken = [each for each in judged if not _stands(conn, each)]
        current = [each for each in judged if each not in set(overtaken)]
        tied = [each for each in current if each.reason is None]
        written = _replace(conn, daily, tied)
        _note(conn, order, current)
    held_back = [each for each in current if each.reason is not None]
    return Taken(tied, held_back, overtaken, written)


def compare(ordered: Iterable[Mapping[str, Any]], daily: pa.Table) -> list[SummedSlice]:
    """Hold the daily costs against the ordered slices: number of line items, and every cost."""
    keys = ("account_id", "usage_date", "billing_period", "delivery_id")
    counted = daily.group_by([*keys]).aggregate([("charges", "sum")]).to_pylist()
    charges = {tuple(row[name] for name in keys): row["charges_sum"] for row in counted}
    sums = sums_of_daily_costs(daily, keys, _COSTS)
    judged = []
    for line in ordered:
        key = tuple(line[name] for name in keys)
        reason = _difference(
            line["rows"],
            json.loads(line["sums"]),
            charges.pop(key, 0),
            sums.get(key, {}),
            TIED_COSTS[line["raw_table"]],
        )
        judged.append(_slice(key, line["rows"], reason))
    judged += [_slice(key, 0, "nobody ordered it") for key in charges]
    return sorted(judged, key=lambda each: (each.account_id, each.usage_date, each.billing_period))


def _slice(key: Key, rows: int, reason: str | None) -> SummedSlice:
    account_id, usage_date, billing_period, delivery_id = key
    return SummedSlice(account_id, usage_date, billing_period, delivery_id, rows, reason)


def _difference(
    rows: int, wanted: Sums, charges: int, sums: Sums, costs: Iterable[str]
) -> str | None:
    if charges != rows:
        return f"{charges} line items were summed of {rows}"
    for currency in sorted({*wanted, *sums}):
        for cost in costs:
            left, right = (each.get(currency, {}).get(cost, "0") for each in (wanted, sums))
            if left != right:
                return f"{cost} is {right} {currency}, the line items hold {left}"
    return None


def _stands(conn: psycopg.Connection, each: SummedSlice) -> bool:
    row = conn.execute(
        "select delivery_id from raw.partitions where account_id = %s and dataset = 'costs'"
        " and usage_date = %s and billing_period = %s",
        [each.account_id, each.usage_date, each.billing_period],
    ).fetchone()
    return row is not None and row[0] == each.delivery_id


def _replace(conn: psycopg.Connection, daily: pa.Table, slices: list[SummedSlice]) -> int:
    """Write the daily costs of the slices in place of those that stand; return their number."""
    keys = [(each.account_id, each.usage_date, each.billing_period) for each in slices]
    with conn.cursor() as cursor:
        cursor.executemany(
            sql.SQL(
                "delete from {} where account_id = %s and usage_date = %s and billing_period = %s"
            ).format(_TABLE),
            keys,
        )
        statement = sql.SQL("copy {} ({}) from stdin").format(
            _TABLE, sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        )
        chosen, written = set(keys), 0
        with cursor.copy(statement) as copy:
            for batch in daily.select(COLUMNS).to_batches(max_chunksize=10_000):
                for row in batch.to_pylist():
                    if (row["account_id"], row["usage_date"], row["billing_period"]) in chosen:
                        copy.write_row(list(row.values()))
                        written += 1
    return written


def _note(conn: psycopg.Connection, order: str, slices: list[SummedSlice]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into intermediate.summed_slices (account_id, usage_date, billing_period,"
            " delivery_id, rows, line_item_order, reason) values (%s, %s, %s, %s, %s, %s, %s)"
            " on conflict (account_id, usage_date, billing_period) do update"
            " set delivery_id = excluded.delivery_id, rows = excluded.rows, line_item_order ="
            " excluded.line_item_order, reason = excluded.reason, taken_at = clock_timestamp()",
            [
                (
                    *(each.account_id, each.usage_date, each.billing_period, each.delivery_id),
                    *(each.rows, order, each.reason),
                )
                for each in slices
            ],
        )


def _summed(landing: LandingStore, order: str) -> pa.Table:
    """Read what the engine wrote below the order, all files of it."""
    folder = f"{order_folder(order)}/{MART}/"
    with told(landing.root):
        names = [name for name in landing.objects.sizes() if name.startswith(folder)]
    parts = [_read(landing, name) for name in sorted(names) if name.endswith(".parquet")]
    if not parts:
        raise ConfigError(
            f"Nothing has been summed for order {order}.",
            hint="`dbt build --target spark --select tag:line_items` writes it, with"
            " ASTRAEUS_LINE_ITEMS_ORDER set to the order's folder.",
        )
    return pa.concat_tables(parts)


def _read(landing: LandingStore, name: str) -> pa.Table:
    with told(landing.root), landing.objects.open(name) as handle:
        return pq.read_table(handle)
