"""Raw tables from their contracts: created, widened, never retyped."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import psycopg
from psycopg import sql

from astraeus_pipeline.contracts import RAW_TABLES, RawTable
from astraeus_pipeline.contracts.columns import Column
from astraeus_pipeline.contracts.days import next_month
from astraeus_pipeline.errors import DatabaseError

# PostgreSQL's own name for a type, where it differs from the contract's.
_FORMATTED_TYPES = {"timestamptz": "timestamp with time zone"}
# Settled months are rewritten a day at a time: vacuum well before a fifth of a month is dead.
_VACUUM_SCALE = "0.02"


def create_raw_tables(conn: psycopg.Connection) -> None:
    """Bring every raw table to its contract: create it, or add the columns it lacks.

    Raises: DatabaseError if a standing column has another type than the contract says.
    """
    for table in RAW_TABLES:
        _lock_ddl(conn, table)
        standing = _standing_columns(conn, table)
        if standing:
            _widen(conn, table, standing)
        else:
            _create(conn, table)


def are_as_contracted(conn: psycopg.Connection) -> bool:
    """Whether each raw table stands with all its columns; after an upgrade one may not."""
    wanted = {(table.name, column.name) for table in RAW_TABLES for column in table.columns}
    rows = conn.execute(
        "select relname, attname from pg_class inner join pg_attribute on attrelid = pg_class.oid"
        " where relnamespace = to_regnamespace('raw') and relname = any(%s)"
        " and attnum > 0 and not attisdropped",
        [[table.name for table in RAW_TABLES]],
    )
    return wanted <= set(rows.fetchall())


def leaf_name(table: RawTable, month: date) -> str:
    """Return the name of the monthly leaf that holds `month`."""
    return f"{table.name}_{month:%Y_%m}"


def ensure_months(conn: psycopg.Connection, table: RawTable, months: Iterable[date]) -> None:
    """Create the monthly leaves that do not stand yet."""
    wanted = {leaf_name(table, month): month.replace(day=1) for month in months}
    missing = sorted(set(wanted) - _standing_leaves(conn, wanted))
    if not missing:
        return
    _lock_ddl(conn, table)
    for name in sorted(set(missing) - _standing_leaves(conn, missing)):
        _create_leaf(conn, table, name, wanted[name])


def _lock_ddl(conn: psycopg.Connection, table: RawTable) -> None:
    conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"ddl:{table.name}"])


def _standing_leaves(conn: psycopg.Connection, names: Iterable[str]) -> set[str]:
    rows = conn.execute(
        "select tablename from pg_tables where schemaname = 'raw' and tablename = any(%s)",
        [list(names)],
    )
    return {name for (name,) in rows}


def _create_leaf(conn: psycopg.Connection, table: RawTable, name: str, month: date) -> None:
    leaf, parent = sql.Identifier("raw", name), sql.Identifier("raw", table.name)
    conn.execute(
        sql.SQL(
            "create table {} (like {} including defaults including constraints)"
            " with (autovacuum_vacuum_scale_factor = {})"
        ).format(leaf, parent, sql.SQL(_VACUUM_SCALE))
    )
    # Attaching takes a lock that lets others go on loading; `partition of` would stop them all.
    conn.execute(
        sql.SQL("alter table {} attach partition {} for values from ({}) to ({})").format(
            parent, leaf, sql.Literal(month), sql.Literal(next_month(month))
        )
    )


def _standing_columns(conn: psycopg.Connection, table: RawTable) -> dict[str, str]:
    rows = conn.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped",
        [f"raw.{table.name}"],
    )
    return dict(rows.fetchall())


def _create(conn: psycopg.Connection, table: RawTable) -> None:
    parent = sql.Identifier("raw", table.name)
    columns = sql.SQL(", ").join(_definition(column) for column in table.columns)
    conn.execute(
        sql.SQL("create table {} ({}) partition by range (usage_date)").format(parent, columns)
    )
    conn.execute(sql.SQL("create index on {} (usage_date, account_id)").format(parent))
    conn.execute(
        sql.SQL("comment on table {} is {}").format(parent, sql.Literal(table.description))
    )
    for column in table.columns:
        _describe(conn, table, column)


def _definition(column: Column) -> sql.Composed:
    null = sql.SQL("" if column.nullable else " not null")
    return sql.Identifier(column.name) + sql.SQL(" ") + sql.SQL(column.type) + null


def _describe(conn: psycopg.Connection, table: RawTable, column: Column) -> None:
    conn.execute(
        sql.SQL("comment on column {} is {}").format(
            sql.Identifier("raw", table.name, column.name), sql.Literal(column.description)
        )
    )


def _widen(conn: psycopg.Connection, table: RawTable, standing: dict[str, str]) -> None:
    for column in table.columns:
        wanted = _FORMATTED_TYPES.get(column.type, column.type)
        found = standing.get(column.name)
        if found is None:
            conn.execute(
                sql.SQL("alter table {} add column {} {}").format(
                    sql.Identifier("raw", table.name),
                    sql.Identifier(column.name),
                    sql.SQL(column.type),
                )
            )
            _describe(conn, table, column)
        elif found != wanted:
            raise DatabaseError(
                f"raw.{table.name}.{column.name} is {found}, its contract says {wanted}.",
                hint="Columns are added, never retyped: give the new type a new column name.",
            )
