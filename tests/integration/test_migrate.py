"""Migrations by an administrator who is no superuser, and on databases that cannot be used."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import alembic.command
import psycopg
import pytest
import sqlalchemy
from alembic.config import Config

from astraeus_pipeline.errors import DatabaseError
from astraeus_pipeline.warehouse import embedded, migrations
from astraeus_pipeline.warehouse.engine import ROLES, Database
from astraeus_pipeline.warehouse.migrate import is_migrated, migrate

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def superuser() -> Iterator[psycopg.Connection]:
    """Return a superuser's connection to a server of its own: roles belong to a whole server."""
    folder = Path(tempfile.mkdtemp(prefix="astraeus-migrate-"))
    folder.chmod(0o711)
    with psycopg.connect(embedded.start(folder), autocommit=True) as conn:
        yield conn
    embedded.stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def boss(superuser: psycopg.Connection) -> psycopg.Connection:
    """Create an administrator who is no superuser; only who made our roles may alter them."""
    superuser.execute("create role boss login createrole createdb password 'boss-canary'")
    return superuser


def as_user(conn: psycopg.Connection, user: str, password: str, database: str) -> Database:
    url = sqlalchemy.URL.create(
        "postgresql", user, password, conn.info.host, conn.info.port, database
    )
    return Database(url, password)


def test_an_admin_with_createrole_alone_can_migrate(boss: psycopg.Connection) -> None:
    boss.execute("create database bills owner boss")
    database = as_user(boss, "boss", "boss-canary", "bills")
    assert not is_migrated(database)
    migrate(database)
    migrate(database)
    assert is_migrated(database)
    for role in ROLES:
        with database.connect(role) as conn:
            assert conn.execute("select session_user::text").fetchone() == (f"astraeus_{role}",)
    with database.connect("loader") as conn:
        owners = conn.execute(
            "select nspname, nspowner::regrole::text from pg_namespace"
            " where nspname in ('raw', 'app', 'dagster', 'marts') order by 1"
        ).fetchall()
    assert owners == [
        ("app", "astraeus_app"),
        ("dagster", "astraeus_dagster"),
        ("marts", "astraeus_dbt"),
        ("raw", "astraeus_loader"),
    ]


def test_an_admin_without_createrole_is_told_what_is_missing(
    superuser: psycopg.Connection,
) -> None:
    superuser.execute("create role clerk login password 'clerk-canary'")
    superuser.execute("create database small owner clerk")
    with pytest.raises(DatabaseError, match="CREATEROLE") as caught:
        migrate(as_user(superuser, "clerk", "clerk-canary", "small"))
    assert "canary" not in str(caught.value)


def test_a_database_that_is_not_utf8_is_refused(superuser: psycopg.Connection) -> None:
    superuser.execute(
        "create database latin template template0 encoding 'SQL_ASCII'"
        " locale_provider libc locale 'C'"
    )
    database = as_user(superuser, superuser.info.user, superuser.info.password, "latin")
    with pytest.raises(DatabaseError, match="encoding SQL_ASCII"):
        migrate(database)


@pytest.mark.parametrize(
    "older",
    ["drop table raw.focus_costs cascade", "alter table raw.focus_costs drop column region_id"],
    ids=["without a new provider's table", "without a new column"],
)
def test_an_upgrade_that_only_adds_raw_tables_or_columns_is_seen(
    database: Database, older: str
) -> None:
    assert is_migrated(database)
    with database.connect("loader", autocommit=True) as conn:
        conn.execute(older)  # type: ignore[arg-type] # a literal of this test
    assert not is_migrated(database)
    migrate(database)
    assert is_migrated(database)


def test_every_migration_can_be_taken_back_and_applied_again(boss: psycopg.Connection) -> None:
    boss.execute("create database taken owner boss")
    database = as_user(boss, "boss", "boss-canary", "taken")
    migrate(database)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    engine = sqlalchemy.create_engine(database.url("admin"), poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        alembic.command.downgrade(config, "base")
        connection.commit()
    assert not is_migrated(database)
    migrate(database)
    assert is_migrated(database)
