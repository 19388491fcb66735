"""Connections as role app, and what a person reads where one fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
from pydantic import SecretStr

from astraeus_pipeline.errors import DatabaseError
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import Database, standing_database

_DENIED = "42501"


@contextmanager
def as_app() -> Iterator[psycopg.Connection]:
    """Connect as role app, in autocommit.

    Raises: DatabaseError in plain words, with no SQL and no password.
    """
    try:
        with _connected() as conn:
            yield conn
    except psycopg.Error as error:
        raise _explained(error) from error


def _connected() -> psycopg.Connection:
    settings = Settings.from_env()
    try:
        return _database(settings.home, settings.database_url).connect("app", autocommit=True)
    except DatabaseError:
        # The embedded server may have been started anew, behind another port.
        _database.cache_clear()
        return _database(settings.home, settings.database_url).connect("app", autocommit=True)


@cache
def _database(home: Path, url: SecretStr | None) -> Database:
    """Return the database of a home or URL: to look whether it runs takes longer than to ask it."""
    return standing_database(Settings(home=home, database_url=url))


def _explained(error: psycopg.Error) -> DatabaseError:
    if error.sqlstate == _DENIED:
        return DatabaseError(
            "The database does not let the app do this.",
            hint="Ask who runs it for `astraeus db migrate`.",
        )
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
        return DatabaseError(
            "The database does not take one of these values: it is too long, too large, or has"
            " characters that no text holds.",
            hint="Look at them again.",
        )
    return DatabaseError(
        "The database did not answer.", hint="Ask who runs it to look at `astraeus doctor`."
    )
