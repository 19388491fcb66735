"""A backup's database and payloads into a place that has none, held against what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psycopg
from alembic.script import ScriptDirectory
from psycopg import sql

from astraeus_pipeline.errors import ConfigError, DatabaseError
from astraeus_pipeline.warehouse import audit, backup_manifest, migrate, payload_files, pg_tools
from astraeus_pipeline.warehouse.backup import Say, named_payloads, row_counts, schemas
from astraeus_pipeline.warehouse.backup_manifest import DUMP, PAYLOADS, Manifest
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.landing import LandingStore

# Where nobody has entered anything, a start of an empty installation is no loss.
_ENTERED: Final = ("raw.deliveries", "app.accounts", "app.users")


def check_backup(folder: Path, manifest: Manifest, say: Say) -> None:
    """Read every byte of a backup against its checksums.

    Raises: ConfigError naming what is missing or altered, or a version that is not known here.
    """
    known = {script.revision for script in _scripts().walk_revisions()}
    if manifest.database.revision not in known:
        raise ConfigError(
            f"The backup was made by Astraeus {manifest.astraeus}, whose tables (revision"
            f" {manifest.database.revision}) this version does not know.",
            hint="Restore it with that version or a later one.",
        )
    say(f"Reading {len(manifest.files)} files of the dump against their checksums.")
    broken = backup_manifest.damaged(folder, manifest)
    if manifest.payloads.is_copied:
        uris = copied_payloads(folder)
        say(f"Reading {len(uris)} payloads against their names.")
        broken += payload_files.altered(folder / PAYLOADS, uris)
        if len(uris) < manifest.payloads.files:
            broken.append(f"{manifest.payloads.files - len(uris)} files of {PAYLOADS}")
    if broken:
        raise ConfigError(
            f"The backup {folder} is damaged or not whole: {', '.join(broken[:5])}"
            f"{' ...' if len(broken) > 5 else ''}.",
            hint="Use another copy, or another backup.",
        )


def copied_payloads(folder: Path) -> list[str]:
    """Return the URIs of what a backup has of the landing store."""
    root = folder / PAYLOADS
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def check_target(database: Database, manifest: Manifest) -> None:
    """Make sure that a restore would overwrite nothing, and that the server can take it.

    Raises: ConfigError, DatabaseError.
    """
    pg_tools.find("pg_restore", manifest.database.tool, database)
    with database.connect("admin", autocommit=True) as conn:
        server = conn.info.server_version // 10_000
        if server < manifest.database.server:
            raise DatabaseError(
                f"The backup comes from PostgreSQL {manifest.database.server}; {database.where} is"
                f" {server}.",
                hint=f"Restore into PostgreSQL {manifest.database.server} or later.",
            )
        if not _is_cut_off(conn) and (entered := _entered(conn)):
            raise ConfigError(
                f"The database at {database.where} is in use: {entered}. Nothing is overwritten.",
                hint="Restore into an empty place: another ASTRAEUS_HOME, or another database in"
                " ASTRAEUS_DATABASE_URL.",
            )


def load_dump(database: Database, folder: Path, manifest: Manifest, jobs: int, say: Say) -> None:
    """Restore the dump by `jobs` workers, then bring its tables to this version.

    A marker stands in the database meanwhile: after a kill nothing uses half of it, and the next
    attempt starts over. Raises: DatabaseError.
    """
    with database.connect("admin", autocommit=True) as conn:
        if _is_cut_off(conn):
            say("An earlier restore did not come to its end: starting over.")
        conn.execute(
            sql.SQL("create schema if not exists {}").format(sql.Identifier(migrate.RESTORING))
        )
        standing = {*schemas(conn), *migrate.SCHEMAS}
        for schema in sorted(standing):
            conn.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))
    migrate.create_roles(database)
    say(f"Restoring {manifest.database.name} into {database.where}, {jobs} at a time.")
    tool = pg_tools.find("pg_restore", manifest.database.tool, database)
    pg_tools.run(tool, database, "--exit-on-error", f"--jobs={jobs}", str(folder / DUMP))
    with database.connect("admin", autocommit=True) as conn:
        _hold_against(row_counts(conn), manifest.database.rows)
        _rename_in_functions(conn, manifest.database.name)
        conn.execute(sql.SQL("drop schema {}").format(sql.Identifier(migrate.RESTORING)))
    migrate.migrate(database)
    say("Gathering the planner's statistics.")
    with database.connect("admin", autocommit=True) as conn:
        conn.execute("analyze")


def load_payloads(store: LandingStore, folder: Path, say: Say) -> int:
    """Copy the backup's payloads into the store; those that it has are left alone.

    Returns how many were copied. Raises: LoadError.
    """
    standing = payload_files.listed(store)
    wanted = [uri for uri in copied_payloads(folder) if uri not in standing]
    say(f"Copying {len(wanted)} files into the landing store {store.root}.")
    payload_files.copy_in(store, folder / PAYLOADS, wanted)
    return len(wanted)


def missing(database: Database, store: LandingStore) -> int:
    """Count payloads that the restored ledger names and the store lacks."""
    with database.connect("admin") as conn:
        return len(named_payloads(conn) - payload_files.listed(store).keys())


def note_restored(database: Database, actor: str, source: str, made_at: str) -> None:
    """Write into the audit log that this is a restored database, and as of when."""
    with database.connect("app") as conn:
        audit.note(conn, actor, "backup.restored", source, made_at=made_at)


def _is_cut_off(conn: psycopg.Connection) -> bool:
    row = conn.execute("select to_regnamespace(%s) is not null", [migrate.RESTORING]).fetchone()
    return bool(row and row[0])


def _entered(conn: psycopg.Connection) -> str | None:
    """Say which of the tables that people and deliveries fill has rows."""
    for table in _ENTERED:
        found = conn.execute("select to_regclass(%s) is not null", [table]).fetchone()
        if not (found and found[0]):
            continue
        name = sql.Identifier(*table.split("."))
        row = conn.execute(sql.SQL("select count(*) from {}").format(name)).fetchone()
        if row and row[0]:
            return f"{table} has {row[0]} rows"
    return None


def _rename_in_functions(conn: psycopg.Connection, former: str) -> None:
    """Let functions, whose bodies are text and name their database, name this one."""
    if former == conn.info.dbname:
        return
    quoted = [f'"{name}"."' for name in (former, conn.info.dbname)]
    for (function,) in conn.execute(
        "select pg_get_functiondef(oid) from pg_proc where prokind = 'f'"
        " and pronamespace::regnamespace::text = any(%s) and strpos(prosrc, %s) > 0",
        [schemas(conn), quoted[0]],
    ).fetchall():
        conn.execute(function.replace(*quoted).encode())


def _hold_against(counted: dict[str, int], told: dict[str, int]) -> None:
    other = [
        f"{table}: {counted.get(table, 'not there')} instead of {rows}"
        for table, rows in told.items()
        if counted.get(table) != rows
    ]
    if other:
        raise DatabaseError(
            f"{len(other)} tables have other rows than when the backup was made"
            f" ({'; '.join(other[:5])}).",
            hint="Run the same restore again; if it stays, use another backup and report it.",
        )


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(migrate.alembic_config())
