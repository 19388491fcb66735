"""Connections as role app, and what a person reads where one fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from astraeus_pipeline.errors import DatabaseError
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import open_database

_DENIED = "42501"


@contextmanager
def as_app() -> Iterator[psycopg.Connection]:
    """Connect as role app, in autocommit.

    Raises: DatabaseError in plain words, with no SQL and no password.
    """
    try:
        with open_database(Settings.from_env()).connect("app", autocommit=True) as conn:
            yield conn
    except psycopg.Error as error:
        raise _explained(error) from error


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
