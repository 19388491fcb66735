"""One build at a time, whoever starts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from astraeus_pipeline.orchestration.resources import IngestionResource
from astraeus_pipeline.warehouse.build_lock import build_alone


@contextmanager
def alone(ingestion: IngestionResource) -> Iterator[None]:
    """Build while nobody else does, and nobody reads several marts (warehouse.build_lock)."""
    with ingestion.connection("dbt") as conn:
        build_alone(conn)
        yield
