"""The standing rows of raw tables, by slice: summed, deleted, verified."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.errors import LoadError
from astraeus_pipeline.warehouse.copy import RowOwner
from astraeus_pipeline.warehouse.survey import Slice, SliceFacts, Sums

# Few days go as an array that the index answers; the pairs tell apart slices of one day.
IN_SLICES = (
    "account_id = %(account)s and usage_date = any(%(days)s)"
    " and (usage_date, billing_period) in"
    " (select * from unnest(%(days)s::date[], %(periods)s::date[]))"
)


@dataclass(frozen=True)
class Totals:
    """Rows and money of one (slice, service, charge category, currency); costs by cost type."""

    rows: int
    costs: dict[str, Decimal | None]


GroupKey = tuple[Slice, str | None, str | None, str]


def totals(
    conn: psycopg.Connection, table: RawTable, account_id: str, slices: Iterable[Slice]
) -> dict[GroupKey, Totals]:
    """Sum the standing rows of the slices per service, charge category and currency.

    Empty for tables without money.
    """
    chosen = list(slices)
    if not chosen or table.currency is None:
        return {}
    group = [_column(name) for name in (table.service, table.charge_category, table.currency)]
    query = sql.SQL(
        "select usage_date, billing_period, {group}, count(*), {sums} from {table}"
        " where {scope} group by usage_date, billing_period, {group}"
    ).format(
        group=sql.SQL(", ").join(group),
        sums=_sums(table),
        table=sql.Identifier("raw", table.name),
        scope=sql.SQL(IN_SLICES),
    )
    return {
        (Slice(row[0], row[1]), row[2], row[3], row[4]): Totals(
            row[5], dict(zip(table.cost_types, row[6:], strict=True))
        )
        for row in conn.execute(query, slice_parameters(account_id, chosen))
    }


def delete(
    conn: psycopg.Connection, table: RawTable, account_id: str, slices: Iterable[Slice]
) -> None:
    """Delete the standing rows of the slices, leaf by leaf."""
    chosen = list(slices)
    if chosen:
        conn.execute(
            sql.SQL("delete from {} where {}").format(
                sql.Identifier("raw", table.name), sql.SQL(IN_SLICES)
            ),
            slice_parameters(account_id, chosen),
        )


def verify(
    conn: psycopg.Connection,
    table: RawTable,
    owner: RowOwner,
    written: Mapping[Slice, SliceFacts],
) -> None:
    """Compare the rows as they now stand with the payload's own counts and sums, exactly.

    Raises: LoadError on any difference; the caller's transaction takes everything back.
    """
    if not written:
        return
    found = _stored_facts(conn, table, owner, written)
    for each, facts in written.items():
        stored = found.get(each, SliceFacts())
        if stored.rows != facts.rows or _nonzero(stored.sums) != _nonzero(facts.sums):
            raise LoadError(
                f"Account {owner.account_id}, {each.usage_date}: the payload holds"
                f" {facts.rows} rows and {_spell(facts.sums)}, raw.{table.name} would hold"
                f" {stored.rows} rows and {_spell(stored.sums)}.",
                hint="Nothing was loaded, the earlier rows stand. Report this with the payload.",
            )


def _stored_facts(
    conn: psycopg.Connection, table: RawTable, owner: RowOwner, written: Iterable[Slice]
) -> dict[Slice, SliceFacts]:
    currency = _column(table.currency)
    # Days one by one, not as a span: of a month shared by many accounts, the index then gives
    # this account's rows alone.
    query = sql.SQL(
        "select usage_date, billing_period, {currency}, count(*){sums} from {table}"
        " where account_id = %(account)s and usage_date = any(%(days)s)"
        " and delivery_id = %(delivery)s group by 1, 2, 3"
    ).format(
        currency=currency,
        sums=sql.SQL(", ") + _sums(table) if table.cost_types else sql.SQL(""),
        table=sql.Identifier("raw", table.name),
    )
    found: dict[Slice, SliceFacts] = {}
    parameters = {
        "account": owner.account_id,
        "delivery": owner.delivery_id,
        "days": sorted({each.usage_date for each in written}),
    }
    for row in conn.execute(query, parameters):
        facts = found.setdefault(Slice(row[0], row[1]), SliceFacts())
        facts.rows += row[3]
        for cost_type, amount in zip(table.cost_types, row[4:], strict=True):
            if amount is not None:
                facts.sums[row[2], cost_type] = amount
    return found


def _column(name: str | None) -> sql.Composable:
    return sql.SQL("null::text") if name is None else sql.Identifier(name)


def _sums(table: RawTable) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("sum({})").format(sql.Identifier(name)) for name in table.cost_types
    )


def slice_parameters(account_id: str, slices: list[Slice]) -> dict[str, Any]:
    """Return the parameters of `IN_SLICES`."""
    return {
        "account": account_id,
        "days": [each.usage_date for each in slices],
        "periods": [each.billing_period for each in slices],
    }


def _nonzero(sums: Sums) -> Sums:
    return {key: amount for key, amount in sums.items() if amount}


def _spell(sums: Sums) -> str:
    return ", ".join(
        f"{cost_type} {money.plain(amount)} {currency}"
        for (currency, cost_type), amount in sorted(sums.items())
    )
