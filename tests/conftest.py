"""One PostgreSQL per test run, one fresh database per test that asks for it."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import embedded
from astraeus_pipeline.warehouse.engine import Database, open_database
from astraeus_pipeline.warehouse.migrate import migrate
from tests.fixtures import run_home as of_run


def pytest_configure(config: pytest.Config) -> None:
    """Give the run a home of its own; xdist's workers inherit it from their controller."""
    os.environ.setdefault("OBJC_DISABLE_INITIALIZE_FORK_SAFETY", "YES")
    if of_run.VARIABLE not in os.environ:
        home = Path(tempfile.mkdtemp(prefix="astraeus-test-"))
        home.chmod(0o711)
        os.environ[of_run.VARIABLE] = str(home)
        config.stash[_OWNED] = home


_OWNED = pytest.StashKey[Path]()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the run's server; only the process that made the home does."""
    home = config.stash.get(_OWNED, None)
    if home is not None:
        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)
        os.environ.pop(of_run.VARIABLE, None)


@pytest.fixture(scope="session")
def run_home() -> Path:
    """Return the folder that all workers of this run share."""
    return of_run.run_home()


@pytest.fixture(scope="session")
def database_server(run_home: Path) -> Database:
    """Return the server of the run: embedded, or the one that ASTRAEUS_DATABASE_URL names."""
    settings = Settings(home=run_home)
    server = open_database(settings)
    if settings.is_embedded:
        # No test takes the power; what a killed server had written is there without.
        with server.connect("admin", autocommit=True) as conn:
            for name in ("fsync", "full_page_writes"):
                conn.execute(sql.SQL("alter system set {} = off").format(sql.Identifier(name)))
            conn.execute("select pg_reload_conf()")
    return server


@pytest.fixture(scope="session")
def template(database_server: Database) -> Iterator[Database]:
    """Return a migrated database of this worker, copied for each test that needs one."""
    name = f"astraeus_template_{secrets.token_hex(4)}"
    with database_server.connect("admin", autocommit=True) as conn:
        # The server may be the user's own, with another default.
        conn.execute(
            sql.SQL("create database {} template template0 encoding 'UTF8'").format(
                sql.Identifier(name)
            )
        )
        made = _named(database_server, name)
        migrate(made)
        yield made
        _drop(conn, name)


@pytest.fixture
def database(database_server: Database, template: Database) -> Iterator[Database]:
    """Return a fresh migrated database."""
    with fresh_database(database_server, template) as made:
        yield made


@pytest.fixture(scope="module")
def module_database(database_server: Database, template: Database) -> Iterator[Database]:
    """Return a migrated database that the tests of one module share."""
    with fresh_database(database_server, template) as made:
        yield made


class fresh_database:
    """A copy of the template, dropped at the end."""

    def __init__(self, server: Database, template: Database) -> None:
        self._server, self._template = server, template
        self._name = f"astraeus_test_{secrets.token_hex(4)}"

    def __enter__(self) -> Database:
        with self._server.connect("admin", autocommit=True) as conn:
            conn.execute(
                sql.SQL("create database {} template {}").format(
                    sql.Identifier(self._name),
                    sql.Identifier(str(self._template.admin_url.database)),
                )
            )
            # Rights on the database itself are not copied with its contents.
            conn.execute(
                sql.SQL("grant create, temporary on database {} to astraeus_dbt").format(
                    sql.Identifier(self._name)
                )
            )
        return _named(self._server, self._name)

    def __exit__(self, *_: object) -> None:
        with self._server.connect("admin", autocommit=True) as conn:
            _drop(conn, self._name)


def _named(server: Database, name: str) -> Database:
    return replace(server, admin_url=server.admin_url.set(database=name))


def _drop(conn: psycopg.Connection, name: str) -> None:
    conn.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
