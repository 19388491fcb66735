"""The app's connections as role app: users, sessions, and what people change on pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from app.auth.principal import Principal
from app.queries import standing
from astraeus_pipeline.warehouse import sessions
from astraeus_pipeline.warehouse.engine import Database


@contextmanager
def connection() -> Iterator[psycopg.Connection]:
    """Lend a connection as role app; committed at the end, rolled back on an error.

    Raises: DatabaseError in plain words if the database does not answer.
    """
    try:
        with _pool().connection() as conn:
            yield conn
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise standing.silent(_database(), forget) from error


def live(key: str | None) -> Principal | None:
    """Return the person of a session key; None if there is none, or it has ended.

    Raises: DatabaseError.
    """
    if not key:
        return None
    with connection() as conn:
        found = sessions.live(conn, key)
    return Principal.of(found) if found else None


def seen(key: str) -> None:
    """Note that the person is there, so that the session does not idle out.

    Raises: DatabaseError.
    """
    with connection() as conn:
        sessions.touch(conn, key)


def end(key: str) -> None:
    """Sign out.

    Raises: DatabaseError.
    """
    with connection() as conn:
        sessions.end(conn, key)


@cache
def _database() -> Database:
    return standing.opened()


@cache
def _pool() -> ConnectionPool:
    url = _database().url("app").set(drivername="postgresql")
    return ConnectionPool(
        url.render_as_string(hide_password=False),
        min_size=0,
        max_size=4,
        timeout=5,
        # Given up soon, or the pauses between attempts grow with an outage and outlast it.
        reconnect_timeout=5,
        kwargs={"application_name": "astraeus app sign-in"},
        check=ConnectionPool.check_connection,
        open=True,
    )


def forget() -> None:
    """Open the database anew at the next question, after its address has changed."""
    if _pool.cache_info().currsize:
        _pool().close()
    _pool.cache_clear()
    _database.cache_clear()
