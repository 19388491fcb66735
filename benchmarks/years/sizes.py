"""How large tables are, what of them is dead, and how large a fresh copy would be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

SCHEMAS: Final = ("raw", "intermediate", "marts", "app", "dagster")
_TABLES: Final = """
select n.nspname || '.' || c.relname, pg_total_relation_size(c.oid),
    coalesce(s.n_live_tup, 0), coalesce(s.n_dead_tup, 0), c.relpages
from pg_class c inner join pg_namespace n on n.oid = c.relnamespace
left join pg_stat_all_tables s on s.relid = c.oid
where c.relkind = 'r' and n.nspname = any(%s)
"""
_COUNTED: Final = (
    "dagster.runs",
    "dagster.run_tags",
    "dagster.event_logs",
    "dagster.asset_event_tags",
    "dagster.asset_check_executions",
    "dagster.job_ticks",
    "dagster.asset_keys",
    "raw.deliveries",
    "raw.partitions",
    "raw.restatements",
    "app.sessions",
    "app.checkpoints",
    "app.audit_log",
    "app.alerts",
)


@dataclass(frozen=True)
class Sizes:
    """Bytes of each table with its indexes, rows of those that are counted, files landed."""

    tables: dict[str, int]
    dead: dict[str, float]
    rows: dict[str, int]
    landed: tuple[int, int]

    def of(self, schema: str) -> int:
        """Return the bytes of a schema."""
        return sum(size for name, size in self.tables.items() if name.split(".")[0] == schema)


def read(conn: psycopg.Connection, landing: Path) -> Sizes:
    """Read them all. Connect as admin."""
    found = conn.execute(_TABLES, [list(SCHEMAS)]).fetchall()
    return Sizes(
        {name: size for name, size, *_ in found},
        {name: dead / (live + dead) for name, _, live, dead, _ in found if live + dead > 1000},
        {name: _count(conn, name) for name in _COUNTED},
        _landed(landing),
    )


def bloat(conn: psycopg.Connection, at_least: int = 2_000_000) -> dict[str, tuple[int, int]]:
    """Return the bytes of each larger table, and of a fresh copy with the same indexes."""
    conn.execute("create schema if not exists fresh")
    found = {}
    for name, size, *_ in conn.execute(_TABLES, [list(SCHEMAS)]).fetchall():
        if size < at_least:
            continue
        source, copy = sql.Identifier(*name.split(".")), sql.Identifier("fresh", "copy")
        conn.execute(
            sql.SQL(
                "create unlogged table {copy} (like {source} including defaults including storage)"
            ).format(copy=copy, source=source)
        )
        conn.execute(
            sql.SQL("insert into {copy} select * from {source}").format(copy=copy, source=source)
        )
        for (definition,) in conn.execute(
            "select pg_get_indexdef(indexrelid) from pg_index where indrelid = %s::regclass", [name]
        ).fetchall():
            conn.execute(_onto_copy(definition))
        row = conn.execute("select pg_total_relation_size('fresh.copy')").fetchone()
        assert row is not None
        found[name] = (int(size), int(row[0]))
        conn.execute("drop table fresh.copy")
    conn.execute("drop schema fresh")
    return found


def _onto_copy(definition: str) -> bytes:
    """Spell an index's definition for the copy, without its name."""
    kind, _, rest = definition.partition(" INDEX ")
    return f"{kind} INDEX ON fresh.copy USING {rest.partition(' USING ')[2]}".encode()


def _count(conn: psycopg.Connection, name: str) -> int:
    query = sql.SQL("select count(*) from {}").format(sql.Identifier(*name.split(".")))
    row = conn.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def _landed(folder: Path) -> tuple[int, int]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return len(files), sum(path.stat().st_size for path in files)
