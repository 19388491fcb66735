"""Daily costs that an engine summed from line items, back into PostgreSQL, slice by slice.

A slice is taken where its sums are exactly those of the line items that were ordered, which are
those of the ledger. One that differs is held back with what differs; the others stand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
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
# Each reaches its few rows by index (`offset 0` keeps the planner from joining whole tables): what
# taking back costs grows with the order, not with the history.
_STANDING: Final = """
    select ordered.at::int - 1
    from unnest(
        %(account_id)s::text[], %(usage_date)s::date[], %(billing_period)s::date[],
        %(delivery_id)s::bigint[]
    ) with ordinality as ordered (account_id, usage_date, billing_period, delivery_id, at)
    cross join lateral (
        select from raw.partitions as partitions
        where partitions.account_id = ordered.account_id and partitions.dataset = 'costs'
            and partitions.usage_date = ordered.usage_date
            and partitions.billing_period = ordered.billing_period
            and partitions.delivery_id = ordered.delivery_id
        offset 0
    ) as standing
"""
_DELETE: Final = """
    delete from intermediate.daily_costs_summed
    where ctid = any(array(
        select former.id
        from unnest(%(account_id)s::text[], %(usage_date)s::date[], %(billing_period)s::date[])
            as ordered (account_id, usage_date, billing_period)
        cross join lateral (
            select summed.ctid as id from intermediate.daily_costs_summed as summed
            where summed.account_id = ordered.account_id
                and summed.usage_date = ordered.usage_date
                and summed.billing_period = ordered.billing_period
            offset 0
        ) as former
    ))
"""
_NOTE: Final = """
    insert into intermediate.summed_slices (
        account_id, usage_date, billing_period, delivery_id, rows, line_item_order, reason
    )
    select account_id, usage_date, billing_period, delivery_id, rows, %(order)s, reason
    from unnest(
        %(account_id)s::text[], %(usage_date)s::date[], %(billing_period)s::date[],
        %(delivery_id)s::bigint[], %(rows)s::bigint[], %(reason)s::text[]
    ) as ordered (account_id, usage_date, billing_period, delivery_id, rows, reason)
    on conflict (account_id, usage_date, billing_period) do update
    set delivery_id = excluded.delivery_id, rows = excluded.rows,
        line_item_order = excluded.line_item_order, reason = excluded.reason,
        taken_at = clock_timestamp()
"""


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
        standing = _standing(conn, judged)
        overtaken = [each for at, each in enumerate(judged) if at not in standing]
        current = [each for at, each in enumerate(judged) if at in standing]
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


def _standing(conn: psycopg.Connection, slices: list[SummedSlice]) -> set[int]:
    """Return the positions of those that the ledger knows in the very delivery."""
    return {row[0] for row in conn.execute(_STANDING, _arrays(slices))}


def _replace(conn: psycopg.Connection, daily: pa.Table, slices: list[SummedSlice]) -> int:
    """Write the daily costs of the slices in place of those that stand; return their number."""
    conn.execute(_DELETE, _arrays(slices))
    statement = sql.SQL("copy {} ({}) from stdin").format(
        _TABLE, sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    )
    chosen = {(each.account_id, each.usage_date, each.billing_period) for each in slices}
    written = 0
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        for batch in daily.select(COLUMNS).to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                if (row["account_id"], row["usage_date"], row["billing_period"]) in chosen:
                    copy.write_row(list(row.values()))
                    written += 1
    return written


def _note(conn: psycopg.Connection, order: str, slices: list[SummedSlice]) -> None:
    conn.execute(_NOTE, _arrays(slices) | {"order": order})


def _arrays(slices: list[SummedSlice]) -> dict[str, list[Any]]:
    """Return the slices column by column: one statement for all of them."""
    names = [each.name for each in fields(SummedSlice)]
    return {name: [getattr(each, name) for each in slices] for name in names}


def _summed(landing: LandingStore, order: str) -> pa.Table:
    """Read what the engine wrote below the order, all files of it."""
    folder = f"{order_folder(order)}/{MART}"
    with told(landing.root):
        names = landing.objects.sizes(below=folder)
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
