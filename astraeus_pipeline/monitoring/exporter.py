"""Prometheus metrics that are facts of the warehouse, read from it at each scrape.

Money is a float here, as Prometheus knows nothing else: for alerts, never for a figure.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final

import psycopg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import operations
from astraeus_pipeline.warehouse.engine import Database, Role

# Two servers of Prometheus that ask at the same time are answered by one set of queries.
_FRESH_SECONDS: Final = 5.0
Metrics = Iterable[Metric]


class WarehouseCollector(Collector):
    """Asks the database for its facts; tells that it is away where it does not answer."""

    def __init__(self, settings: Settings, connect: Callable[[], Database]) -> None:
        self._settings, self._connect = settings, connect
        self._lock, self._kept, self._asked = Lock(), list[Metric](), 0.0

    def collect(self) -> Iterator[Metric]:
        """Yield every family; those of a database that is away have no samples."""
        with self._lock:
            if not self._kept or time.monotonic() - self._asked > _FRESH_SECONDS:
                self._kept, self._asked = list(self._collected()), time.monotonic()
            yield from self._kept

    def _collected(self) -> Iterator[Metric]:
        began = time.monotonic()
        yield _disk(self._settings.home)
        is_up, asked = True, {}
        try:
            database = self._connect()
            for role, questions in _QUESTIONS.items():
                with database.connect(role, autocommit=True, connect_timeout=5) as conn:
                    conn.execute("set statement_timeout = '20s'")
                    for question in questions:
                        asked[question] = list(question(conn))
        except (AstraeusError, psycopg.Error):
            is_up = False
        for questions in _QUESTIONS.values():
            for question in questions:
                yield from asked.get(question) or question(None)
        yield _gauge("astraeus_database_up", "Whether all facts could be read", {(): float(is_up)})
        taken = time.monotonic() - began
        yield _gauge("astraeus_scrape_seconds", "What reading the facts took", {(): taken})


def _deliveries(conn: psycopg.Connection | None) -> Metrics:
    rows = operations.deliveries(conn) if conn else []
    labels = ["provider", "dataset", "state"]
    told: dict[str, tuple[str, Callable[[operations.Deliveries], Any]]] = {
        "deliveries": ("Deliveries by how they ended", lambda row: row.deliveries),
        "delivered_rows": ("Rows of deliveries", lambda row: row.rows),
        "quarantined_rows": ("Rows that could not be typed", lambda row: row.quarantined_rows),
        "api_requests": ("Requests made to providers", lambda row: row.requests),
        "api_requests_usd": ("Price of these requests in USD", lambda row: row.request_cost_usd),
    }
    for name, (text, value) in told.items():
        family = CounterMetricFamily(f"astraeus_{name}", text, labels=labels)
        for row in rows:
            family.add_metric([row.provider, row.dataset, row.state], float(value(row)))
        yield family


def _feeds(conn: psycopg.Connection | None) -> Metrics:
    rows = operations.feeds(conn) if conn else []
    labels = ("provider", "account", "dataset")
    keys = {(row.provider, row.account_id, row.dataset): row for row in rows}
    today = datetime.now(UTC).date()
    yield _gauge(
        "astraeus_feed_age_days",
        "Days since the last day that stands of an active account's dataset",
        {key: (today - row.last_day).days for key, row in keys.items() if row.last_day},
        labels,
    )
    yield _gauge(
        "astraeus_feed_seen_timestamp_seconds",
        "When a delivery last spoke of any day of it",
        {key: row.seen_at.timestamp() for key, row in keys.items() if row.seen_at},
        labels,
    )
    yield _gauge(
        "astraeus_feed_rows", "Rows that stand", {k: row.rows for k, row in keys.items()}, labels
    )
    yield _gauge(
        "astraeus_feed_held_days",
        "Days whose newest delivery is blocked or refused",
        {key: row.held for key, row in keys.items()},
        labels,
    )


def _figures(conn: psycopg.Connection | None) -> Metrics:
    rows = operations.comparisons(conn) if conn else []
    yield _gauge(
        "astraeus_reconciliations",
        "Comparisons of the figures with one another and with providers' totals, by state",
        {(row.state, row.currency or ""): row.comparisons for row in rows},
        ("state", "currency"),
    )
    worst: dict[tuple[str, ...], float] = {}
    for row in rows:
        if row.state == "blocked" and row.currency and row.worst_residual is not None:
            key = (row.currency,)
            worst[key] = max(worst.get(key, 0.0), float(row.worst_residual))
    yield _gauge(
        "astraeus_residual_worst",
        "Largest residual that neither rounding explains nor anybody let in",
        worst,
        ("currency",),
    )
    built = operations.built_at(conn) if conn else None
    yield _gauge(
        "astraeus_marts_built_timestamp_seconds",
        "When the build began that the marts are of",
        {(): built.timestamp()} if built else {},
    )


def _assistant(conn: psycopg.Connection | None) -> Metrics:
    rows = operations.model_use(conn) if conn else []
    labels = ("provider", "model", "outcome")
    keys = {(row.provider, row.model, row.outcome): row for row in rows}
    yield _gauge(
        "astraeus_llm_calls_today",
        "Calls of language models since midnight, UTC",
        {key: row.calls for key, row in keys.items()},
        labels,
    )
    yield _gauge(
        "astraeus_llm_tokens_today",
        "Tokens of these calls",
        {
            (row.provider, row.model, kind): count
            for row in _summed(rows)
            for kind, count in (("input", row.input_tokens), ("output", row.output_tokens))
        },
        ("provider", "model", "kind"),
    )
    yield _gauge(
        "astraeus_llm_usd_today",
        "Their cost in USD at list prices, where it is known",
        {key: float(row.cost_usd) for key, row in keys.items() if row.cost_usd is not None},
        labels,
    )
    yield _gauge(
        "astraeus_llm_unpriced_calls_today",
        "Calls of which no cost is known",
        {key: row.unpriced for key, row in keys.items()},
        labels,
    )


def _summed(rows: list[operations.ModelUse]) -> Iterator[operations.ModelUse]:
    """Yield the uses by provider and model alone, whatever the outcome."""
    by_model: dict[tuple[str, str], list[operations.ModelUse]] = {}
    for row in rows:
        by_model.setdefault((row.provider, row.model), []).append(row)
    for (provider, model), uses in by_model.items():
        yield operations.ModelUse(
            provider,
            model,
            "",
            sum(use.calls for use in uses),
            sum(use.input_tokens for use in uses),
            sum(use.output_tokens for use in uses),
            None,
            0,
        )


def _upkeep(conn: psycopg.Connection | None) -> Metrics:
    yield _gauge(
        "astraeus_messages_waiting",
        "Messages of alerts and summaries that have not left, by state",
        operations.messages(conn) if conn else {},
        ("kind", "state"),
    )
    backup = operations.last_backup(conn) if conn else None
    yield _gauge(
        "astraeus_backup_timestamp_seconds",
        "When the last backup was made",
        {(): backup.timestamp()} if backup else {},
    )
    yield _gauge(
        "astraeus_raw_months_ahead",
        "Months after this one that a raw table has a leaf for",
        {(name,): count for name, count in operations.months_ahead(conn).items()} if conn else {},
        ("table",),
    )
    size = {(): float(operations.size_bytes(conn))} if conn else {}
    yield _gauge("astraeus_database_bytes", "Size of the database", size)
    used, most = operations.connections(conn) if conn else (0, 0)
    yield _gauge(
        "astraeus_database_connections",
        "Connections of clients, and how many the server takes",
        {("used",): used, ("limit",): most} if conn else {},
        ("kind",),
    )


def _dagster(conn: psycopg.Connection | None) -> Metrics:
    queue = operations.queue(conn) if conn else None
    yield _gauge(
        "astraeus_dagster_runs",
        "Runs that are not at their end",
        {(status,): count for status, count in queue.runs.items()} if queue else {},
        ("status",),
    )
    yield _gauge(
        "astraeus_dagster_queue_wait_seconds",
        "How long the oldest run in the queue waits",
        {(): queue.oldest_wait_seconds} if queue else {},
    )
    beats = operations.heartbeats(conn) if conn else {}
    yield _gauge(
        "astraeus_dagster_heartbeat_timestamp_seconds",
        "When a daemon of Dagster last gave a sign",
        {(daemon,): at.timestamp() for daemon, at in beats.items()},
        ("daemon",),
    )
    events = {(): float(operations.event_rows(conn))} if conn else {}
    yield _gauge("astraeus_dagster_events", "About how many events Dagster keeps", events)


_QUESTIONS: Final[dict[Role, tuple[Callable[[psycopg.Connection | None], Metrics], ...]]] = {
    "app": (_deliveries, _feeds, _figures, _assistant, _upkeep),
    "dagster": (_dagster,),
}


def _disk(home: Path) -> Metric:
    place = next(each for each in (home, *home.parents) if each.exists())
    usage = shutil.disk_usage(place)
    return _gauge(
        "astraeus_disk_bytes",
        "The disk of ASTRAEUS_HOME",
        {("free",): usage.free, ("total",): usage.total},
        ("kind",),
    )


def _gauge(
    name: str,
    text: str,
    samples: Mapping[Any, float],
    labels: tuple[str, ...] = (),
) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples.items():
        family.add_metric(values, float(value))
    return family
