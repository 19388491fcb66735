"""Roles, schemas, grants, Alembic's migrations and raw tables: from an empty database, or again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import alembic.command
import psycopg
import sqlalchemy
from alembic.config import Config
from psycopg import sql

from astraeus_pipeline.errors import DatabaseError
from astraeus_pipeline.warehouse import ddl
from astraeus_pipeline.warehouse.engine import (
    MINIMUM_VERSION,
    ROLES,
    UNSCOPED,
    UNSCOPED_ROLES,
    Database,
    Role,
    role_name,
)

LOCK: Final = 0x0A57_0000
# A machine that is cut off closes nothing: its sessions would keep their locks for hours, and who
# takes over its work would wait for them. These end them within half a minute.
_OF_SESSIONS: Final = {
    "tcp_keepalives_idle": "15s",
    "tcp_keepalives_interval": "5s",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30s",
    "client_connection_check_interval": "15s",
}
# A schema that stands while a backup is restored; what is there then is nobody's to use.
RESTORING: Final = "astraeus_restoring"
SCHEMAS: Final[dict[str, Role]] = {
    "raw": "loader",
    "app": "app",
    "dagster": "dagster",
    "staging": "dbt",
    "intermediate": "dbt",
    "marts": "dbt",
}
_LEDGER: Final = (
    *("deliveries", "delivery_days", "partitions", "restatements", "quarantine"),
    *("superseded", "acceptances"),
)
# Credentials stay with the app role: dbt sees what a mart may show.
_ACCOUNT_COLUMNS: Final = (
    "id, slug, provider, name, state, created_at, updated_at, parent, external_id"
)


def migrate(database: Database) -> None:
    """Bring the database to this version's state; safe to repeat and to run twice at once.

    Raises: DatabaseError for an old server or missing rights.
    """
    with database.connect("admin", autocommit=True) as conn:
        _check_server(conn, database)
        _refuse_half_restored(conn, database)
        conn.execute("select pg_advisory_lock(%s)", [LOCK])
        _create_roles(conn, database)
        _create_schemas(conn)
        _run_alembic(database)
        with conn.transaction():
            conn.execute("set local role astraeus_loader")
            ddl.create_raw_tables(conn)
        _grant(conn)


def create_roles(database: Database) -> None:
    """Create the roles alone, or set their passwords: a dump names them as owners.

    Raises: DatabaseError for an old server or missing rights.
    """
    with database.connect("admin", autocommit=True) as conn:
        _check_server(conn, database)
        conn.execute("select pg_advisory_lock(%s)", [LOCK])
        _create_roles(conn, database)


def is_migrated(database: Database) -> bool:
    """Whether the newest migration has been applied, and the raw tables are as contracted.

    Raises: DatabaseError for a server or database that cannot be used.
    """
    with database.connect("admin") as conn:
        _check_server(conn, database)
        _refuse_half_restored(conn, database)
        found = conn.execute("select to_regclass('app.alembic_version')").fetchone()
        if found is None or found[0] is None:
            return False
        versions = {row[0] for row in conn.execute("select version_num from app.alembic_version")}
        return versions == set(_script_heads()) and ddl.are_as_contracted(conn)


def _refuse_half_restored(conn: psycopg.Connection, database: Database) -> None:
    found = conn.execute("select to_regnamespace(%s) is not null", [RESTORING]).fetchone()
    if found is not None and found[0]:
        raise DatabaseError(
            f"A restore into {database.where} did not come to its end, so rows are missing.",
            hint="Run the same `astraeus restore` again: it starts over.",
        )


def _check_server(conn: psycopg.Connection, database: Database) -> None:
    major = conn.info.server_version // 10_000
    if major < MINIMUM_VERSION:
        raise DatabaseError(
            f"PostgreSQL at {database.where} is version {major}, which is too old.",
            hint=f"Use PostgreSQL {MINIMUM_VERSION} or later.",
        )
    encoding = conn.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise DatabaseError(
            f"The database at {database.where} has the encoding {encoding}; bills need UTF8.",
            hint="Create it as: create database NAME template template0 encoding 'UTF8'.",
        )


def _create_roles(conn: psycopg.Connection, database: Database) -> None:
    """Create the login roles and make the admin a member of each, so that it can act as them."""
    for role in ROLES:
        _retry_on_catalog_race(conn, _create_role, role, database.password(role))
        _retry_on_catalog_race(conn, _watch_sessions, role)
    _retry_on_catalog_race(conn, _create_unscoped)


def _create_role(conn: psycopg.Connection, role: Role, password: str) -> None:
    name = sql.Identifier(role_name(role))
    exists = conn.execute("select 1 from pg_roles where rolname = %s", [role_name(role)]).fetchone()
    if exists is None:
        conn.execute(
            sql.SQL("create role {} login password {}").format(name, sql.Literal(password))
        )
    elif not _can_log_in(conn, role, password):
        conn.execute(sql.SQL("alter role {} login password {}").format(name, sql.Literal(password)))
    member = conn.execute(
        "select pg_has_role(%s, 'set')"
        if conn.info.server_version >= 160_000
        else "select pg_has_role(%s, 'member')",
        [role_name(role)],
    ).fetchone()
    if member is None or not member[0]:
        options = " with set true, inherit true" if conn.info.server_version >= 160_000 else ""
        conn.execute(sql.SQL("grant {} to current_user" + options).format(name))


def _watch_sessions(conn: psycopg.Connection, role: Role) -> None:
    """Let the server notice by itself that a session's machine is gone; set once."""
    row = conn.execute(
        "select rolconfig from pg_roles where rolname = %s", [role_name(role)]
    ).fetchone()
    held = set(row[0] or ()) if row else set()
    for name, value in _OF_SESSIONS.items():
        if f"{name}={value}" not in held:
            conn.execute(
                sql.SQL("alter role {} set {} = {}").format(
                    sql.Identifier(role_name(role)), sql.Identifier(name), sql.Literal(value)
                )
            )


def _create_unscoped(conn: psycopg.Connection) -> None:
    """Create the group whose members see every row of the marts, whoever asks."""
    if not conn.execute("select 1 from pg_roles where rolname = %s", [UNSCOPED]).fetchone():
        conn.execute(sql.SQL("create role {} nologin").format(sql.Identifier(UNSCOPED)))
    for role in UNSCOPED_ROLES:
        name = role_name(role)
        held = conn.execute("select pg_has_role(%s, %s, 'usage')", [name, UNSCOPED]).fetchone()
        if held is None or not held[0]:
            conn.execute(
                sql.SQL("grant {} to {}").format(sql.Identifier(UNSCOPED), sql.Identifier(name))
            )


def _can_log_in(conn: psycopg.Connection, role: Role, password: str) -> bool:
    """Whether the role's password is the derived one; an equal one is not set again."""
    target = psycopg.conninfo.make_conninfo(
        conn.info.dsn, user=role_name(role), password=password, connect_timeout=5
    )
    try:
        psycopg.connect(target).close()
    except psycopg.OperationalError:
        return False
    return True


def _retry_on_catalog_race(
    conn: psycopg.Connection, step: Callable[..., None], *arguments: object
) -> None:
    """Roles belong to the server: another database's migration may touch the same one now."""
    for attempt in range(20):
        try:
            step(conn, *arguments)
        except (
            psycopg.errors.InternalError_,
            psycopg.errors.UniqueViolation,
            psycopg.errors.DuplicateObject,
        ):
            time.sleep(0.05 * (attempt + 1))
        except psycopg.errors.InsufficientPrivilege as error:
            raise DatabaseError(
                f"The admin role may not create or alter roles: {error.diag.message_primary}.",
                hint="Give it CREATEROLE and CREATE on the database, or use a superuser.",
            ) from None
        else:
            return
    raise DatabaseError(
        "Another migration keeps changing the same roles.", hint="Run it again when that is over."
    )


def _create_schemas(conn: psycopg.Connection) -> None:
    for schema, owner in SCHEMAS.items():
        conn.execute(
            sql.SQL("create schema if not exists {} authorization {}").format(
                sql.Identifier(schema), sql.Identifier(role_name(owner))
            )
        )


def _run_alembic(database: Database) -> None:
    engine = sqlalchemy.create_engine(database.url("admin"), poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")
        connection.commit()


def alembic_config() -> Config:
    """Return where Alembic finds the migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _script_heads() -> tuple[str, ...]:
    from alembic.script import ScriptDirectory

    return tuple(ScriptDirectory.from_config(alembic_config()).get_heads())


def _grant(conn: psycopg.Connection) -> None:
    """Give each role what it needs and no more; repeated grants change nothing."""
    ledger = ", ".join(f"raw.{table}" for table in _LEDGER)
    for statement in (
        "grant usage on schema raw to astraeus_dbt, astraeus_app",
        "grant select on all tables in schema raw to astraeus_dbt",
        "alter default privileges for role astraeus_loader in schema raw"
        " grant select on tables to astraeus_dbt",
        f"grant select on {ledger} to astraeus_app",
        "grant usage on schema app to astraeus_dbt, astraeus_loader",
        f"grant select ({_ACCOUNT_COLUMNS}) on app.accounts to astraeus_dbt",
        "grant select on app.anomaly_feedback, app.anomaly_assignments to astraeus_dbt",
        "grant select on app.budgets, app.budget_amounts, app.budget_thresholds to astraeus_dbt",
        "grant select on app.recommendation_feedback to astraeus_dbt",
        "grant select on app.allocation_rules, app.allocation_state to astraeus_dbt",
        "grant select on app.alert_rules to astraeus_dbt",
        "grant select on app.chat_attempts to astraeus_dbt",
        "grant usage on schema marts to astraeus_reader, astraeus_operator, astraeus_app",
        # They read what their caller may not: only who a mart's policy asks them for runs them.
        "revoke execute on all functions in schema app from public",
        "grant execute on all functions in schema app"
        " to astraeus_dbt, astraeus_reader, astraeus_operator",
    ):
        conn.execute(statement)
    for words in (
        "grant create, temporary on database {} to astraeus_dbt",
        # Nobody else makes tables here, not even temporary ones that fill a disk.
        "revoke temporary on database {} from public",
    ):
        conn.execute(sql.SQL(words).format(sql.Identifier(conn.info.dbname)))
