"""What the rows that a delivery takes away summed to, by all that decides their FOCUS mapping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import psycopg
from psycopg import sql

from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.warehouse.copy import RowOwner
from astraeus_pipeline.warehouse.standing_rows import IN_SLICES, slice_parameters
from astraeus_pipeline.warehouse.survey import Slice


def keep(
    conn: psycopg.Connection, table: RawTable, owner: RowOwner, slices: Iterable[Slice]
) -> None:
    """Write the sums of the standing rows of the slices to raw.superseded, before they go.

    One line per combination of the contract's keys and of the signs of its amounts: within it a
    mapping that takes the first cost given, or asks whether one is 0, may work on sums. Only costs
    have a history.
    """
    chosen = list(slices)
    if not chosen or table.dataset != "costs":
        return
    line = sql.SQL(", ").join(_cells(table))
    groups = [
        *(_key(name) for name in table.keys),
        *(sql.SQL("sign({})").format(sql.Identifier(name)) for name in table.amounts),
    ]
    query = sql.SQL(
        "insert into raw.superseded (account_id, provider, raw_table, usage_date, billing_period,"
        " delivery_id, superseded_by, seen_at, changed_at, rows, line)"
        " select p.account_id, p.provider, {name}, p.usage_date, p.billing_period, p.delivery_id,"
        " %(superseded_by)s, p.seen_at, p.changed_at, coalesce(summed.rows, 0),"
        " coalesce(summed.line, '{{}}')"
        " from raw.partitions p left join (select usage_date, billing_period, count(*) as rows,"
        "  jsonb_strip_nulls(jsonb_build_object({line})) as line from {table} where {scope}"
        "  group by usage_date, billing_period, {groups}) as summed"
        " using (usage_date, billing_period)"
        " where {scope} and p.dataset = {dataset} and p.delivery_id is not null"
    ).format(
        name=sql.Literal(table.name),
        line=line,
        table=sql.Identifier("raw", table.name),
        scope=sql.SQL(IN_SLICES),
        groups=sql.SQL(", ").join(groups),
        dataset=sql.Literal(table.dataset),
    )
    parameters = slice_parameters(owner.account_id, chosen)
    conn.execute(query, {**parameters, "superseded_by": owner.delivery_id})


def _cells(table: RawTable) -> Iterator[sql.Composable]:
    """Yield name and value of each cell of a line; fields of one jsonb column together."""
    fields: dict[str, list[sql.Composable]] = {}
    for name in table.keys:
        column, dot, field = name.partition(".")
        if dot:
            pair = sql.SQL("{}, {}").format(sql.Literal(field), _key(name))
            fields.setdefault(column, []).append(pair)
        else:
            yield sql.SQL("{}, {}").format(sql.Literal(name), _key(name))
    for column, pairs in fields.items():
        yield sql.SQL("{}, jsonb_build_object({})").format(
            sql.Literal(column), sql.SQL(", ").join(pairs)
        )
    for name in table.amounts:
        yield sql.SQL("{}, sum({})").format(sql.Literal(name), sql.Identifier(name))


def _key(name: str) -> sql.Composable:
    column, dot, field = name.partition(".")
    if not dot:
        return sql.Identifier(column)
    return sql.SQL("{} ->> {}").format(sql.Identifier(column), sql.Literal(field))
