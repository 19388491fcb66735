"""One account's days from its provider into the standing rows. Plain Python, no Dagster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

import psycopg
import structlog

from astraeus_pipeline import traces
from astraeus_pipeline.accounts import store
from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched
from astraeus_pipeline.errors import (
    AstraeusError,
    DatabaseError,
    PayloadError,
    StoreError,
    TransientError,
)
from astraeus_pipeline.providers.base import Provider
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import ledger, refusals
from astraeus_pipeline.warehouse.acceptances import Acceptance
from astraeus_pipeline.warehouse.engine import Database, standing_database
from astraeus_pipeline.warehouse.landing import LandingStore, StoredPayload
from astraeus_pipeline.warehouse.loader import LoadOptions, LoadResult, load

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Ingestion:
    """What every load of one run shares; `today` is the current UTC day."""

    database: Database
    landing: LandingStore
    key_ring: KeyRing
    today: date
    run_id: str | None = None

    @classmethod
    def from_settings(cls, settings: Settings, run_id: str | None = None) -> Ingestion:
        """Open database and landing store as the settings say."""
        return cls(
            standing_database(settings),
            LandingStore.from_settings(settings),
            KeyRing.from_settings(settings),
            datetime.now(UTC).date(),
            run_id,
        )

    def account(self, slug: str) -> Account:
        """Return an account of app.accounts, its secrets still sealed."""
        with self.database.connect("app", autocommit=True) as conn:
            return store.get_account(conn, slug, self.key_ring)


@dataclass
class Delivered:
    """What came of one request: the loads that ended, and the errors of those that did not."""

    results: list[LoadResult] = field(default_factory=list)
    errors: list[AstraeusError] = field(default_factory=list)

    def days(self, *outcomes: str) -> set[date]:
        """Return the days that ended in one of the outcomes."""
        return {day for result in self.results for day in result.days(*outcomes)}

    def held(self) -> set[tuple[str, date]]:
        """Return the (account, day) that were held back, blocked or refused."""
        return {
            (result.account_id, day)
            for result in self.results
            for day in result.days("blocked", "refused")
        }


def deliver(
    ingestion: Ingestion, provider: Provider, account: Account, dataset: Dataset, days: DayRange
) -> Delivered:
    """Fetch and load the days; each delivery stands or falls by itself.

    Every failure is written to the ledger and returned, never raised; a provider that fails
    half way leaves the deliveries before it standing.
    """
    delivered = Delivered()
    try:
        with translated(account.slug, days):
            opened = ingestion.database.connect("loader", autocommit=True)
    except AstraeusError as error:
        delivered.errors.append(error)
        return delivered
    with opened as conn:
        pages = provider.fetch(account, dataset, days, ingestion.landing)
        while True:
            fetched_at = datetime.now(UTC)
            try:
                with translated(account.slug, days), _span("fetch", ingestion, account.slug):
                    fetched = next(pages, None)
            except AstraeusError as error:
                _note_failure(conn, ingestion, provider, account, dataset, days, error)
                delivered.errors.append(error)
                return delivered
            if fetched is None:
                return delivered
            _load_one(conn, ingestion, provider, fetched, fetched_at, delivered)
            if conn.closed:  # cut off: each load after this one would fail for that alone
                return delivered


def reload(
    ingestion: Ingestion, provider: Provider, uri: str, acceptance: Acceptance
) -> LoadResult:
    """Load days of a stored payload because a person accepts what the loader refused.

    Raises: AstraeusError.
    """
    fetched = ingestion.landing.read_manifest(uri)
    payload = ingestion.landing.put_manifest(fetched)
    options = LoadOptions(
        ingestion.today, provider.settle_days, ingestion.run_id, acceptance=acceptance
    )
    with ingestion.database.connect("loader", autocommit=True) as conn:
        return _load(conn, ingestion, provider, fetched, payload, options)


def _load_one(
    conn: psycopg.Connection,
    ingestion: Ingestion,
    provider: Provider,
    fetched: Fetched,
    fetched_at: datetime,
    delivered: Delivered,
) -> None:
    payload = None
    options = LoadOptions(ingestion.today, provider.settle_days, ingestion.run_id, fetched_at)
    about = _about(ingestion, provider, fetched)
    try:
        with translated(fetched.account_id, fetched.days):
            payload = ingestion.landing.put_manifest(fetched)
        result = _load(conn, ingestion, provider, fetched, payload, options)
        delivered.results.append(result)
        _LOG.info(
            "a delivery ended",
            **about,
            delivery_id=result.delivery_id,
            state=result.state,
            rows=result.rows,
            payload=payload.sha256,
            seconds=round((datetime.now(UTC) - fetched_at).total_seconds(), 3),
        )
    except AstraeusError as error:
        number = _noted(conn, ingestion, provider, fetched, str(error), payload)
        _LOG.error("a delivery failed", **about, delivery_id=number, error=str(error))
        delivered.errors.append(error)


def _about(ingestion: Ingestion, provider: Provider, fetched: Fetched) -> dict[str, object]:
    """Return what leads from the log to the run, the ledger and the provider."""
    return {
        "run_id": ingestion.run_id,
        "provider": provider.key,
        "account": fetched.account_id,
        "dataset": fetched.dataset,
        "days": str(fetched.days),
        "requests": fetched.requests,
    }


def _load(
    conn: psycopg.Connection,
    ingestion: Ingestion,
    provider: Provider,
    fetched: Fetched,
    payload: StoredPayload,
    options: LoadOptions,
) -> LoadResult:
    about = fetched.account_id
    with translated(about, fetched.days), _span("load", ingestion, about):
        return load(
            conn,
            provider.table_of(fetched),
            fetched,
            payload,
            lambda: provider.rows(fetched, ingestion.landing),
            options,
        )


def _span(name: str, ingestion: Ingestion, account: str) -> AbstractContextManager[None]:
    return traces.span(name, account=account, run_id=ingestion.run_id or "")


def _note_failure(
    conn: psycopg.Connection,
    ingestion: Ingestion,
    provider: Provider,
    account: Account,
    dataset: Dataset,
    days: DayRange,
    error: AstraeusError,
) -> None:
    asked = Fetched(account.slug, dataset, days, "api", "not fetched", parts=())
    number = _noted(conn, ingestion, provider, asked, next_step(error))
    about = _about(ingestion, provider, asked)
    _LOG.error("a fetch failed", **about, delivery_id=number, error=str(error))


def _noted(
    conn: psycopg.Connection,
    ingestion: Ingestion,
    provider: Provider,
    fetched: Fetched,
    words: str,
    payload: StoredPayload | None = None,
) -> int | None:
    """Write a failure to the ledger, over a fresh connection where it was one's end.

    Returns its number, None where the database takes nothing at all: the run still says it.
    """

    def note(over: psycopg.Connection) -> int:
        run = ingestion.run_id
        return ledger.record_failure(
            over, provider.key, fetched, words, run_id=run, payload=payload
        )

    try:
        if not conn.closed:
            return note(conn)
        with ingestion.database.connect("loader", autocommit=True) as fresh:
            return note(fresh)
    except (psycopg.Error, DatabaseError):
        return None


def next_step(error: AstraeusError) -> str:
    """Spell an error with what to do; nobody waits for a provider inside a run that has ended."""
    if not isinstance(error, TransientError):
        return str(error)
    return (
        f"{error.message} Nothing of this fetch stands, days loaded before do. The next run over"
        " these days asks again: the daily schedule's, or `astraeus backfill`."
    )


# RecursionError of brackets without end, NotImplementedError of Arrow.
_UNFORESEEN: Final = (
    *(LookupError, TypeError, ValueError, AttributeError, ArithmeticError),
    *(RecursionError, NotImplementedError),
)


@contextmanager
def translated(account_id: str, days: DayRange) -> Iterator[None]:
    """Turn errors that are not ours into such, and say account and days in those of a store.

    A payload of a shape that no reader foresaw fails its own delivery, and is in the ledger.
    """
    about = f"account {account_id}, {days}"
    try:
        yield
    except (StoreError, DatabaseError) as error:
        raise type(error)(f"Loading {about}: {error.message}", hint=error.hint) from error
    except psycopg.Error as error:
        told = refusals.told(error, f"Loading {about}")
        raise DatabaseError(
            told.message, hint=f"Nothing of this load stands. {told.hint}"
        ) from error
    except OSError as error:
        why = error.strerror or "its files could not be read or written"
        raise DatabaseError(
            f"Loading {about} failed: {why}.",
            hint="Nothing of this load stands; check the landing store and its disk.",
        ) from error
    except _UNFORESEEN as error:
        raise PayloadError(
            f"Loading {about} met something unforeseen in the payload ({type(error).__name__}).",
            hint="Nothing of this load stands. Fetch the days again; if it stays, report it.",
        ) from error
