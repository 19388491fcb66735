"""What commands share: settings, a migrated database, connections, who is acting."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.settings import Settings

if TYPE_CHECKING:
    import psycopg

    from astraeus_pipeline.accounts.sealing import KeyRing
    from astraeus_pipeline.accounts.store import Actor
    from astraeus_pipeline.warehouse.engine import Database, Role


def open_migrated(settings: Settings) -> Database:
    """Start the database if it is the embedded one, and migrate it if it is behind."""
    from astraeus_pipeline.warehouse.engine import open_database
    from astraeus_pipeline.warehouse.migrate import is_migrated, migrate

    database = open_database(settings)
    if not is_migrated(database):
        migrate(database)
    return database


@contextmanager
def connected(role: Role) -> Iterator[psycopg.Connection]:
    """Connect as a role to the settings' database, in autocommit."""
    database = open_migrated(Settings.from_env())
    with database.connect(role, autocommit=True) as conn:
        yield conn


def asked_marts(query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Ask the marts as the operator, who sees all accounts; one dict a row, decimals exact.

    Raises: ConfigError while the marts have not been built.
    """
    from psycopg import errors
    from psycopg.rows import dict_row

    with connected("operator") as conn:
        cursor = conn.cursor(row_factory=dict_row)
        try:
            return cursor.execute(query.encode(), parameters).fetchall()
        except (errors.UndefinedTable, errors.UndefinedFunction):
            raise ConfigError(
                "The marts have not been built yet.",
                hint="Ingest an account (`astraeus backfill`), or run `astraeus demo`.",
            ) from None


def key_ring() -> KeyRing:
    """Open the settings' key ring."""
    from astraeus_pipeline.accounts.sealing import KeyRing

    return KeyRing.from_settings(Settings.from_env())


def actor() -> Actor:
    """Return who runs the command, for the audit log."""
    from astraeus_pipeline.accounts.store import Actor

    return Actor(f"{getpass.getuser()} (command line)")
