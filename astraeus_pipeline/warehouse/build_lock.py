"""The lock that builds of the marts hold, and who reads several marts shares.

A lock of the database, since a build from the command line passes no queue and no pool. It goes
with its session, so a killed build leaves none behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

_NAME: Final = "astraeus build of the marts"


def build_alone(conn: psycopg.Connection) -> None:
    """Wait until no other build runs: dbt swaps tables, and two builds would trip each other.

    Held as long as the connection.
    """
    conn.execute("select pg_advisory_lock(hashtext(%s))", [_NAME])


@contextmanager
def no_build(conn: psycopg.Connection) -> Iterator[None]:
    """Wait until no build of the marts runs, and let none start: it would swap tables meanwhile."""
    conn.execute("select pg_advisory_lock_shared(hashtext(%s))", [_NAME])
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("select pg_advisory_unlock_shared(hashtext(%s))", [_NAME])
