"""What pages and queries take in this process: counted for Prometheus, logged under their ids."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from astraeus_pipeline import logs, traces

_LOG = structlog.get_logger(__name__)
# When a label was first seen tells nobody anything, and would be a series more for each.
disable_created_metrics()
# Of our own: Streamlit loads modules again when they change, and names are taken once only.
REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
QUERIES: Final = Histogram(
    "astraeus_query_seconds",
    "What the database took for a question of ours (marts) or SQL of a model (guarded)",
    ["kind", "outcome"],
    buckets=_BUCKETS,
    registry=REGISTRY,
)
PAGES: Final = Histogram(
    "astraeus_page_seconds",
    "What drawing a page took",
    ["page", "outcome"],
    buckets=_BUCKETS,
    registry=REGISTRY,
)


@contextmanager
def query(kind: str) -> Iterator[dict[str, Any]]:
    """Measure one question; what is put into the yielded dict is logged with it."""
    told: dict[str, Any] = {"kind": kind}
    with _measured("a query ended", QUERIES, told, kind):
        yield told


@contextmanager
def page(name: str, user: str) -> Iterator[None]:
    """Measure the drawing of a page; all that is logged meanwhile has its id."""
    with logs.request(page=name, user=user), _measured("a page was drawn", PAGES, {}, name):
        yield


@contextmanager
def _measured(event: str, into: Histogram, told: dict[str, Any], label: str) -> Iterator[None]:
    began, outcome = perf_counter(), "answered"
    try:
        with traces.span(event, label=label):
            yield
    except Exception:  # noted as failed, and goes on to who asked
        outcome = "failed"
        raise
    finally:  # a page that is drawn anew half way ends here, too
        seconds = perf_counter() - began
        into.labels(label, outcome).observe(seconds)
        _LOG.info(event, milliseconds=round(1000 * seconds, 1), outcome=outcome, **told)
