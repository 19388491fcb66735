"""Faults behind the provider's answer: while rows are typed, in the raw tables, in staging."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any, Final

import psycopg
import pyarrow as pa
from psycopg import sql

from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.contracts.delivery import RowBatch

TypedRow = dict[str, Any]
TypedFault = Callable[[list[TypedRow], RawTable], list[TypedRow]]


def _of_one(change: Callable[[TypedRow, RawTable], list[TypedRow]]) -> TypedFault:
    """Change one row of the day that has money in it."""

    def fault(rows: list[TypedRow], table: RawTable) -> list[TypedRow]:
        cost = table.cost_types[0]
        at = next(n for n, row in enumerate(rows) if row[cost])
        return [*rows[:at], *change(copy.copy(rows[at]), table), *rows[at + 1 :]]

    return fault


# What a provider's `rows` may do wrong to the rows of a day, in whichever batch they are.
TYPED_FAULTS: Final[dict[str, TypedFault]] = {
    "typed row lost": _of_one(lambda row, table: []),
    "typed row doubled": _of_one(lambda row, table: [row, row]),
    "typed sign turned": _of_one(
        lambda row, table: [row | {name: -(row[name] or 0) for name in table.cost_types}]
    ),
    "typed currency guessed": _of_one(lambda row, table: [row | {str(table.currency): "CHF"}]),
    "typed cost left empty": _of_one(lambda row, table: [row | {table.cost_types[0]: None}]),
}


def with_typed_faults(
    batches: Iterator[RowBatch], faults: dict[date, TypedFault], table: RawTable
) -> Iterator[RowBatch]:
    """Spoil the rows of the days on their way from the provider's reader to the loader."""
    for batch in batches:
        rows = batch.rows.to_pylist()
        for day, fault in faults.items():
            mine = [row for row in rows if row["usage_date"] == day]
            if mine:
                rest = [row for row in rows if row["usage_date"] != day]
                rows = [*rest, *fault(mine, table)]
        yield RowBatch(pa.RecordBatch.from_pylist(rows, schema=batch.rows.schema), batch.rejects)


# One row of the day, one with money in it.
_ONE: Final = (
    "account_id = %(account)s and usage_date = %(day)s and row_number = (select min(row_number)"
    " from {table} where account_id = %(account)s and usage_date = %(day)s and {cost} <> 0)"
)
_DAY: Final = "account_id = %(account)s and usage_date = %(day)s"
# What somebody, or a broken disk, may do to raw rows between the load and the build.
RAW_FAULTS: Final[dict[str, str]] = {
    "raw row deleted": f"delete from {{table}} where {_ONE}",
    "raw row doubled": f"insert into {{table}} select * from {{table}} where {_ONE}",
    "raw day deleted": f"delete from {{table}} where {_DAY}",
    "raw cost negated": f"update {{table}} set {{cost}} = -{{cost}} where {_ONE}",
    "raw cost a last place off": f"update {{table}} set {{cost}} = {{cost}} + 1e-15 where {_ONE}",
    "raw costs rounded": f"update {{table}} set {{cost}} = round({{cost}}, -1) where {_DAY}",
    "raw currency changed": f"update {{table}} set {{currency}} = 'CHF' where {_ONE}",
    "raw row moved to the next day": (
        f"update {{table}} set usage_date = usage_date + 1 where {_ONE}"
    ),
    "raw row moved to another account": (
        f"update {{table}} set account_id = account_id || '-x' where {_ONE}"
    ),
}


def spoil_raw(
    conn: psycopg.Connection, table: RawTable, account: str, day: date, fault: str
) -> None:
    """Change raw rows of a day that was loaded well."""
    statement = sql.SQL(RAW_FAULTS[fault]).format(
        table=sql.Identifier("raw", table.name),
        cost=sql.Identifier(table.cost_types[0]),
        currency=sql.Identifier(str(table.currency)),
    )
    done = conn.execute(statement, {"account": account, "day": day})
    assert done.rowcount > 0, (fault, account, day)


# What a wrong join or a wrong cast in a staging model may do: how often it returns the row, and
# what it makes of a column. Names in {} are the contract's.
STAGING_FAULTS: Final[dict[str, tuple[int, dict[str, str]]]] = {
    "staging loses a row": (0, {}),
    "staging doubles a row": (2, {}),
    "staging turns a sign": (1, {"{cost}": "-{cost}"}),
    "staging rounds a cost": (1, {"{cost}": "round({cost}, -1)"}),
    "staging leaves a cost empty": (1, {"{cost}": "null::numeric"}),
    "staging takes another currency": (1, {"{currency}": "'CHF'"}),
}


def plant_views(conn: psycopg.Connection, tables: Sequence[RawTable]) -> None:
    """Put a view over each raw table that gives its rows to staging, the planted ones spoilt."""
    conn.execute("create schema planted")
    conn.execute(
        "create table planted.faults (account_id text, usage_date date, row_number bigint,"
        " fault text, primary key (account_id, usage_date))"
    )
    for table in tables:
        conn.execute(_view(table))
    conn.execute("grant usage on schema planted to astraeus_dbt")
    conn.execute("grant select on all tables in schema planted to astraeus_dbt")


def _view(table: RawTable) -> sql.Composed:
    names = {"cost": table.cost_types[0], "currency": str(table.currency)}
    changes: dict[str, list[tuple[str, str]]] = {}
    for fault, (_, columns) in STAGING_FAULTS.items():
        for column, content in columns.items():
            words = {name: f"raw.{word}" for name, word in names.items()}
            changes.setdefault(column.format(**names), []).append((fault, content.format(**words)))
    shown = [_column(column.name, changes.get(column.name, [])) for column in table.columns]
    times = sql.SQL(" ").join(
        sql.SQL("when {} then {}").format(sql.Literal(fault), sql.Literal(count))
        for fault, (count, _) in STAGING_FAULTS.items()
    )
    return sql.SQL(
        "create view planted.{name} as select {shown} from raw.{name} as raw"
        " left join planted.faults as faults on faults.account_id = raw.account_id"
        " and faults.usage_date = raw.usage_date and faults.row_number = raw.row_number"
        " cross join lateral generate_series(1, case faults.fault {times} else 1 end)"
    ).format(name=sql.Identifier(table.name), shown=sql.SQL(", ").join(shown), times=times)


def _column(name: str, changes: list[tuple[str, str]]) -> sql.Composed:
    if not changes:
        return sql.SQL("raw.{}").format(sql.Identifier(name))
    cases = sql.SQL(" ").join(
        sql.SQL("when {} then {}").format(sql.Literal(fault), sql.SQL(content))  # type: ignore[arg-type]
        for fault, content in changes
    )
    return sql.SQL("case faults.fault {} else raw.{} end as {}").format(
        cases, sql.Identifier(name), sql.Identifier(name)
    )


def plant(conn: psycopg.Connection, table: RawTable, account: str, day: date, fault: str) -> None:
    """Let staging read one row of a day wrongly from now on."""
    statement = sql.SQL(
        "insert into planted.faults select account_id, usage_date, min(row_number), %(fault)s"
        " from {table} where account_id = %(account)s and usage_date = %(day)s and {cost} <> 0"
        " group by 1, 2"
    ).format(table=sql.Identifier("raw", table.name), cost=sql.Identifier(table.cost_types[0]))
    done = conn.execute(statement, {"account": account, "day": day, "fault": fault})
    assert done.rowcount == 1, (fault, account, day)


def staging_over(table: RawTable) -> tuple[str, str]:
    """Return what a staging model reads its table by, and what reads the planted view instead.

    `fct_cost_history` runs staging's text over superseded rows, which are none of the view's.
    """
    source = f"{{{{ source('raw', '{table.name}') }}}}"
    return source, (
        f"{{% set _ = source('raw', '{table.name}') %}}{{% if model.name == 'fct_cost_history' %}}"
        f"{source}{{% else %}}planted.{table.name}{{% endif %}}"
    )
