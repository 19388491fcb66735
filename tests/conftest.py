"""One PostgreSQL per test run, one fresh database per test that asks for it."""

from __future__ import annotations

import fcntl
import gc
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
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


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what is imported by now, and come less often.

    dbt makes and keeps many small objects: a tenth of a build was looking through them again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


_OWNED = pytest.StashKey[Path]()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Drop what workers shared, stop the run's server; only the process that made the home does."""
    home = config.stash.get(_OWNED, None)
    if home is not None:
        settings = Settings(home=home)
        if not settings.is_embedded and (shared := list(home.glob(f"*{_SHARED}"))):
            with open_database(settings).connect("admin", autocommit=True) as conn:
                for each in shared:
                    _drop(conn, each.read_text())
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
def template(database_server: Database) -> Database:
    """Return a migrated database, copied for each test that needs one."""
    return made_once("migrated", database_server, migrate)


def made_once(
    name: str,
    server: Database,
    fill: Callable[[Database], None],
    original: Database | None = None,
) -> Database:
    """Return the run's database of this name, which the first worker that asks makes and fills.

    It is a copy of the original, where there is one. Nobody is to stay connected to it.
    """
    home = of_run.run_home()
    with (home / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = home / f"{name}{_SHARED}"
        if not made.exists():
            database = _create(server, f"astraeus_{name}_{secrets.token_hex(4)}", original)
            try:
                fill(database)
            except BaseException:  # also Ctrl-C: half a database must not be found by the next
                with server.connect("admin", autocommit=True) as conn:
                    _drop(conn, str(database.admin_url.database))
                raise
            made.write_text(str(database.admin_url.database))
        return _named(server, made.read_text())


_SHARED = ".database"


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
        return _create(self._server, self._name, self._template)

    def __exit__(self, *_: object) -> None:
        with self._server.connect("admin", autocommit=True) as conn:
            _drop(conn, self._name)


def _create(server: Database, name: str, original: Database | None) -> Database:
    source = str(original.admin_url.database) if original else "template0"
    # The server may be the user's own, with another default.
    encoding = sql.SQL("" if original else " encoding 'UTF8'")
    with server.connect("admin", autocommit=True) as conn:
        conn.execute(
            sql.SQL("create database {} template {}{}").format(
                sql.Identifier(name), sql.Identifier(source), encoding
            )
        )
        if original:  # rights on the database itself are not copied with its contents
            for words in (
                "grant create, temporary on database {} to astraeus_dbt",
                "revoke temporary on database {} from public",
            ):
                conn.execute(sql.SQL(words).format(sql.Identifier(name)))
    return _named(server, name)


def _named(server: Database, name: str) -> Database:
    return replace(server, admin_url=server.admin_url.set(database=name))


def _drop(conn: psycopg.Connection, name: str) -> None:
    conn.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
