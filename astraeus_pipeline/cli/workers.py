"""Processes that ingest several accounts at the same time, for a person who waits in front of them.

Processes, not threads: each of Dagster's runs sets up the logging of its whole process anew. They
are forked from a server that has imported Dagster once and holds no connection.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing.synchronize import Lock
from typing import TYPE_CHECKING, Final

from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.orchestration import environment
from astraeus_pipeline.orchestration.account_run import AccountRun, Request, Tell
from astraeus_pipeline.providers.base import Provider
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import Database, open_database

if TYPE_CHECKING:
    from astraeus_pipeline.orchestration.backfilling import Backfill

# Not our own modules: Snowflake's driver runs threads of its own, which no fork survives.
_IMPORTED_ONCE: Final = ["dagster", "dagster_dbt", "dagster_postgres"]
_backfills: list[Backfill] = []  # a worker's own


class Workers:
    """A backfill that is carried out by a pool of processes."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def accounts(self) -> dict[str, tuple[Provider, tuple[Dataset, ...]]]:
        """Return provider and datasets of the active accounts; bring Dagster's axes in step."""
        return self._pool.submit(_accounts).result()

    def ingest_each(self, requests: Sequence[Request], tell: Tell) -> list[AccountRun]:
        """Materialise each request in one run, those of one account one after the other."""
        by_account: dict[str, list[int]] = {}
        for number, (slug, *_) in enumerate(requests):
            by_account.setdefault(slug, []).append(number)
        turns = {
            self._pool.submit(_ingest, [requests[number] for number in numbers]): numbers
            for numbers in by_account.values()
        }
        runs: dict[int, AccountRun] = {}
        for turn in as_completed(turns):
            runs |= zip(turns[turn], turn.result(), strict=True)
            tell("Ingesting", len(turns[turn]))
        return [runs[number] for number in range(len(requests))]

    def build_marts(self) -> str | None:
        """Build the marts over everything that changed; return the error in words, or None."""
        return self._pool.submit(_build_marts).result()


@contextmanager
def workers(settings: Settings, database: Database, count: int) -> Iterator[Workers]:
    """Start `count` processes, which get ready in the background; end them at the end.

    No more than the smallest of the providers' pools lets in: nothing here queues for them.
    """
    environment.prepare(settings, database)  # which they inherit
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED_ONCE)
    pool = ProcessPoolExecutor(count, context, _get_ready, (settings, context.Lock()))
    try:
        for _ in range(count):
            pool.submit(_nothing)
        yield Workers(pool)
    except BaseException:  # nobody waits for what they do: each load is one transaction
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _get_ready(settings: Settings, turn: Lock) -> None:
    from astraeus_pipeline.orchestration.backfilling import Backfill

    log = settings.home / "logs" / "backfill.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout = log.open("a", buffering=1)  # what Dagster and dbt print; it ends with the process
    with turn:  # the first makes Dagster's tables
        _backfills.append(Backfill(settings, open_database(settings)))


def _nothing() -> None:
    """Make the pool start one more process."""


def _accounts() -> dict[str, tuple[Provider, tuple[Dataset, ...]]]:
    return _backfills[0].accounts()


def _ingest(requests: Sequence[Request]) -> list[AccountRun]:
    return _backfills[0].ingest_each(requests, lambda _, __: None)


def _build_marts() -> str | None:
    return _backfills[0].build_marts()
