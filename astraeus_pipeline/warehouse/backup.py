"""The database and the landing store into a folder, at one moment, while ingestion goes on.

The dump is one snapshot. Payloads are copied after it: the store only grows, and a delivery is in
the ledger after its payload is in the store, so each payload that the snapshot names is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

from astraeus_pipeline.errors import ConfigError, DatabaseError
from astraeus_pipeline.warehouse import audit, operations, payload_files, pg_tools
from astraeus_pipeline.warehouse.backup_manifest import DUMP, PAYLOADS, DatabaseFacts, PayloadFacts
from astraeus_pipeline.warehouse.engine import ROLES, Database, role_name
from astraeus_pipeline.warehouse.landing import LandingStore

Say = Callable[[str], None]
# Held by a backup, and by whatever deletes payloads or rows that one may be about to copy.
LOCK: Final = 0x0A57_0001
_BUILD: Final = "build_marts"
_BUILD_SECONDS: Final = 1800


@contextmanager
def alone(database: Database) -> Iterator[None]:
    """Hold the backup's lock: no second backup, no housekeeping, no new build of the marts.

    A build swaps tables, waits for the dump that reads them, and pages would wait behind it.
    Raises: ConfigError where another holds it.
    """
    with database.connect("admin", autocommit=True) as conn:
        if not holds(conn):
            raise ConfigError(
                "Another backup, or housekeeping, is under way.",
                hint="Wait until it ends: `astraeus doctor` tells when the last backup was made.",
            )
        yield


def holds(conn: psycopg.Connection) -> bool:
    """Take the backup's lock for this connection; False where somebody else has it."""
    row = conn.execute("select pg_try_advisory_lock(%s)", [LOCK]).fetchone()
    return bool(row and row[0])


def is_under_way(conn: psycopg.Connection) -> bool:
    """Whether a backup, or housekeeping, holds the lock now."""
    row = conn.execute("select pg_try_advisory_xact_lock_shared(%s)", [LOCK]).fetchone()
    return not (row and row[0])


def await_builds(database: Database, say: Say, seconds: float = _BUILD_SECONDS) -> None:
    """Wait until no build of the marts runs, half an hour at most; then go on beside it."""
    deadline, told = time.monotonic() + seconds, False
    with database.connect("admin", autocommit=True) as conn:
        while _is_building(conn) and time.monotonic() < deadline:
            if not told:
                say("A build of the marts is under way: waiting for its end.")
                told = True
            time.sleep(1)


def dump(database: Database, folder: Path, jobs: int, say: Say) -> tuple[DatabaseFacts, set[str]]:
    """Dump our schemas, Dagster's among them, into `folder`/database by `jobs` workers.

    Returns facts, and the payloads that the ledger names, both of the dump's own moment.
    Raises: DatabaseError.
    """
    with database.connect("admin") as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.read_only = True
        # The snapshot holds as long as this transaction, which idles while pg_dump works.
        conn.execute("set idle_in_transaction_session_timeout = 0")
        conn.execute(sql.SQL("set application_name = {}").format(sql.Literal(operations.BACKUP)))
        server = conn.info.server_version // 10_000
        tool = pg_tools.find("pg_dump", server, database)
        snapshot = _one(conn, "select pg_export_snapshot()")
        say(f"Dumping {database.where} (PostgreSQL {server}) with {tool}, {jobs} at a time.")
        pg_tools.run(
            tool,
            database,
            *("--format=directory", f"--file={folder / DUMP}", f"--jobs={jobs}", "--compress=1"),
            f"--snapshot={snapshot}",
            *(f"--schema={name}" for name in schemas(conn)),
        )
        facts = DatabaseFacts(
            name=str(database.admin_url.database),
            server=server,
            tool=pg_tools.major(tool),
            revision=_one(conn, "select version_num from app.alembic_version"),
            bytes=int(_one(conn, "select pg_database_size(current_database())")),
            rows=row_counts(conn),
        )
        return facts, named_payloads(conn)


def copy_payloads(
    store: LandingStore, named: set[str], folder: Path, say: Say, *, is_wanted: bool
) -> PayloadFacts:
    """Copy the store into `folder`/landing, and count what is named but not there.

    Raises: LoadError.
    """
    files = payload_files.listed(store)
    size = sum(files.values())
    if is_wanted:
        say(f"Copying {len(files)} files of the landing store {store.root}.")
        (folder / PAYLOADS).mkdir(mode=0o700)
        payload_files.copy_out(store, sorted(files), folder / PAYLOADS)
    return PayloadFacts(store.root, is_wanted, len(files), size, len(named - files.keys()))


def named_payloads(conn: psycopg.Connection) -> set[str]:
    """Return the payloads that the ledger names."""
    named = conn.execute(
        "select distinct payload_uri from raw.deliveries where payload_uri is not null"
    )
    return {uri for (uri,) in named}


def schemas(conn: psycopg.Connection) -> list[str]:
    """Return the schemas that belong to our roles; a server's other ones are not ours to dump."""
    rows = conn.execute(
        "select nspname from pg_namespace where nspowner::regrole::text = any(%s) order by 1",
        [[role_name(role) for role in ROLES]],
    )
    return [name for (name,) in rows]


def row_counts(conn: psycopg.Connection) -> dict[str, int]:
    """Return the number of rows of each of our tables, leaves of partitioned ones by themselves."""
    tables = conn.execute(
        "select nspname, relname from pg_class"
        " inner join pg_namespace on pg_namespace.oid = relnamespace"
        " where relkind = 'r' and nspname = any(%s) order by 1, 2",
        [schemas(conn)],
    ).fetchall()
    return {
        f"{schema}.{name}": int(
            _one(conn, sql.SQL("select count(*) from {}").format(sql.Identifier(schema, name)))
        )
        for schema, name in tables
    }


def database_bytes(database: Database) -> int:
    """Return how large the database is on its disk."""
    with database.connect("admin") as conn:
        return int(_one(conn, "select pg_database_size(current_database())"))


def note_made(database: Database, actor: str, target: str, **told: object) -> None:
    """Write into the audit log that a backup was made: doctor and metrics tell its age."""
    with database.connect("app") as conn:
        audit.note(conn, actor, "backup.made", target, **told)


def _is_building(conn: psycopg.Connection) -> bool:
    if _one(conn, "select to_regclass('dagster.runs')") is None:
        return False
    return bool(
        _one(
            conn,
            "select exists (select from dagster.runs where pipeline_name = %s"
            " and status in ('STARTING', 'STARTED'))",
            _BUILD,
        )
    )


def _one(conn: psycopg.Connection, query: LiteralString | sql.Composed, *values: object) -> Any:
    row = conn.execute(query, values).fetchone()
    if row is None:
        raise DatabaseError("PostgreSQL gave no answer.", hint="Run `astraeus doctor`.")
    return row[0]
