"""One build at a time, whoever starts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from astraeus_pipeline.orchestration.resources import IngestionResource


@contextmanager
def alone(ingestion: IngestionResource) -> Iterator[None]:
    """Wait until no other build runs: dbt swaps tables, and two builds would trip each other.

    A lock of the database, since a build from the command line passes no queue and no pool. It
    goes with its session, so a killed build leaves none behind.
    """
    with ingestion.connection("dbt") as conn:
        conn.execute("select pg_advisory_lock(hashtext('astraeus build of the marts'))")
        yield
