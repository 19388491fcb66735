"""Costs from exports: the newest run of each month, whole, as one delivery.

A run is cumulative: it replaces the month so far, and runs are never added up. Which is the newest
its manifest says (`runInfo.submittedTime`); blobs that no current manifest lists are old.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import BinaryIO, Final, cast

import structlog

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Fetched, Landing, Part, RowBatch
from astraeus_pipeline.errors import PayloadError, PermanentError
from astraeus_pipeline.exports import reading, selection
from astraeus_pipeline.exports.cells import Notes
from astraeus_pipeline.exports.contents import Inspector
from astraeus_pipeline.exports.dialect import Dialect
from astraeus_pipeline.exports.place import Place
from astraeus_pipeline.exports.store import Store, StoredFile, open_store
from astraeus_pipeline.exports.tables import OpenFile
from astraeus_pipeline.providers.azure.blobs import BlobStore
from astraeus_pipeline.providers.azure.client import AzureClients
from astraeus_pipeline.providers.azure.config import AzureConfig
from astraeus_pipeline.providers.azure.costs import oldest_day, query_totals
from astraeus_pipeline.providers.azure.dialects import DATE_ORDER, DIALECTS, ExportType
from astraeus_pipeline.providers.azure.pairing import Pairing

# Days that a query and an export may still see differently: each refreshes by itself.
_UNSETTLED: Final = 3
# Who says that the unmatched cost of a day is 0: each export of the other.
_HALVES: Final = "the actual export beside the amortized one"
_TIED: Final[Mapping[str, Mapping[str, str]]] = {
    "focus": {"ActualCost": "billed_cost", "AmortizedCost": "effective_cost"},
    "export": {"ActualCost": "actual_cost", "AmortizedCost": "amortized_cost"},
}


@dataclass(frozen=True)
class _Export:
    """One export of an account and what its files are called in a delivery."""

    type: ExportType
    store: Store


def fetch_exports(
    account: Account, config: AzureConfig, days: DayRange, landing: Landing
) -> Iterator[Fetched]:
    """Yield one delivery for each billing month that `days` touch and the exports hold.

    Raises: PermanentError if they hold none of them; PayloadError for files that are cut off,
    contradict their manifest, or lack their other half; AuthError, ConfigError, TransientError.
    """
    clients = AzureClients(account, config) if config.needs_credentials else None
    try:
        found = {
            each.type: _months(each, days, landing) for each in _exports(config, clients, landing)
        }
        for month in sorted({month for months in found.values() for month in months}):
            halves = {kind: months.get(month) for kind, months in found.items()}
            if missing := [kind for kind, half in halves.items() if half is None]:
                raise PayloadError(
                    f"The {missing[0]} export holds nothing of {month:%Y-%m}, the other one does.",
                    hint="Run it for that month in Cost Management; one alone is half of the cost.",
                )
            parts = tuple(part for half in halves.values() if half for part in half.parts)
            known = [half for half in halves.values() if half]
            yield _delivery(account, config, clients, month, days, known, parts, landing)
    except PermanentError as error:
        about = f"Azure account {account.slug}: "
        message = f"{about}{error.message.removeprefix(about)}"
        raise type(error)(message, hint=error.hint) from error


def rows(fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
    """Type the stored files of one delivery. Raises: PayloadError."""
    notes = yield from _paired(reading.rows(fetched, landing, _dialect), fetched.shape)
    if notes.counts.total():
        structlog.get_logger(__name__).info(
            "azure.export.normalised",
            account=fetched.account_id,
            billing_period=str(fetched.billing_period),
            **notes.counts,
        )


def _paired(
    read: Generator[RowBatch, None, Notes], shape: str | None
) -> Generator[RowBatch, None, Notes]:
    """Pass the rows on; of actual and amortized exports, those of one bill and its differences."""
    if shape != "export":
        return (yield from read)
    pairing = Pairing()
    try:
        while True:
            yield pairing.take(next(read))
    except StopIteration as done:
        notes = cast(Notes, done.value)
    yield from pairing.differences()
    return notes


def describe(account: Account, config: AzureConfig) -> dict[str, str]:
    """Return what the account's exports are, after a look at listings and newest headers.

    Raises: as `fetch_exports`.
    """
    clients = AzureClients(account, config) if config.needs_credentials else None
    told: dict[str, str] = {}
    for export in _exports(config, clients, None):
        files = [each for each in export.store.list() if each.media_type]
        if not files:
            raise PermanentError(f"{export.store.url}: {selection.describe(export.store.list())}.")
        newest = max(files, key=lambda each: each.modified)
        dialect = DIALECTS[export.type]
        with _opened(export.store, newest).read() as table:
            dialect.match(table.names, newest.path)
        told[f"{export.type} export"] = f"{len(files)} files, header read from {newest.path}"
    return told


@dataclass(frozen=True)
class _Month:
    """One export's files of a month, stored, and the last day that they charge for."""

    parts: tuple[Part, ...]
    last_day: date | None
    expected_rows: int | None
    type: ExportType


def _exports(
    config: AzureConfig, clients: AzureClients | None, landing: Landing | None
) -> Iterator[_Export]:
    kinds: tuple[tuple[ExportType, str | None], ...] = (("focus", config.export_url),)
    if config.cost_source == "export_actual_amortized":
        kinds = (("actual", config.export_url), ("amortized", config.amortized_export_url))
    for kind, url in kinds:
        yield _Export(kind, _store(str(url), clients, landing))


def _store(url: str, clients: AzureClients | None, landing: Landing | None) -> Store:
    store: Store = open_store(Place(url=url), {}) if clients is None else BlobStore(clients, url)
    return store if landing is None else _LandedStore(store, landing)


class _LandedStore:
    """A store whose files are looked into where they are landed: one download serves both."""

    def __init__(self, store: Store, landing: Landing) -> None:
        self._store, self._landing = store, landing
        self._parts: dict[StoredFile, Part] = {}
        self.url = store.url

    def list(self) -> list[StoredFile]:
        return self._store.list()

    def stat(self, file: StoredFile) -> StoredFile:
        return self._store.stat(file)

    def chunks(self, file: StoredFile) -> Iterator[bytes]:
        return self._store.chunks(file)

    def open(self, file: StoredFile) -> AbstractContextManager[BinaryIO]:
        return self._landing.open(self.land(file))

    def land(self, file: StoredFile) -> Part:
        if file not in self._parts:
            self._parts[file] = reading.land(self._store, file, self._landing)
        return self._parts[file]


def _months(export: _Export, days: DayRange, landing: Landing) -> dict[date, _Month]:
    """Return the current files of the months, each stored under the export's type."""
    inspector = Inspector(export.store, DATE_ORDER, DIALECTS[export.type])
    store = cast(_LandedStore, export.store)
    found: dict[date, _Month] = {}
    for month in selection.select(store, store.list(), days, inspector):
        unique: dict[str, Part] = {}
        for file in month.files:
            part = store.land(file)
            unique.setdefault(part.sha256, replace(part, name=f"{export.type}/{part.name}"))
        whole = len(unique) == len(month.files)
        found[month.month] = _Month(
            tuple(unique.values()),
            month.last_day,
            month.expected_rows if whole else None,
            export.type,
        )
    return found


def _dialect(part: Part) -> Dialect:
    kind = part.name.partition("/")[0]
    return DIALECTS[cast(ExportType, kind)]


def _opened(store: Store, file: StoredFile) -> OpenFile:
    assert file.media_type is not None  # noqa: S101  # only such files are handed in
    return OpenFile(file.path, file.media_type, lambda: store.open(file))


def _delivery(
    account: Account,
    config: AzureConfig,
    clients: AzureClients | None,
    month: date,
    days: DayRange,
    halves: list[_Month],
    parts: tuple[Part, ...],
    landing: Landing,
) -> Fetched:
    shape = "focus" if config.cost_source == "export_focus" else "export"
    covered = _covered(month, days, halves)
    delivery = Fetched(
        account_id=account.slug,
        dataset="costs",
        days=covered,
        source="export",
        source_name=str(config.export_url),
        parts=reading.with_order(parts, DATE_ORDER, landing),
        billing_period=month,
        # Of the actual export only some rows stand in raw, so there the manifests are held to the
        # files, and no number of rows is announced for both.
        expected_rows=halves[0].expected_rows if shape == "focus" else None,
        shape=shape,
    )
    agreement = _agreement(covered, delivery, landing) if shape == "export" else ()
    if clients is None or config.control_scope is None:
        return replace(delivery, controls=agreement)
    requests, controls = _controls(clients, covered, delivery, landing, shape)
    return replace(delivery, requests=requests, controls=(*agreement, *controls))


def _covered(month: date, asked: DayRange, halves: Iterable[_Month]) -> DayRange:
    """Return the whole month once it is over, else up to the last day asked for or charged."""
    whole = DayRange.of_month(month)
    if whole.last < datetime.now(UTC).date():
        return whole
    latest = max([asked.last, *(half.last_day for half in halves if half.last_day)])
    return DayRange(whole.first, max(whole.first, min(whole.last, latest)))


def _agreement(covered: DayRange, delivery: Fetched, landing: Landing) -> tuple[ControlTotal, ...]:
    """State that the two exports do not differ on any settled day."""
    last = min(covered.last, datetime.now(UTC).date() - timedelta(days=_UNSETTLED))
    batches = (each.rows for each in rows(delivery, landing))
    first = next((each for each in batches if each.num_rows), None)
    if first is None or last < covered.first:
        return ()
    # Other currencies of the payload, if there are any, are held to nothing as well (tie_out.py).
    currency = first.column("billing_currency")[0].as_py()
    return tuple(
        ControlTotal(DayRange(day, day), currency, "unmatched_cost", money.ZERO, _HALVES)
        for day in DayRange(covered.first, last)
    )


def _controls(
    clients: AzureClients, covered: DayRange, delivery: Fetched, landing: Landing, shape: str
) -> tuple[int, tuple[ControlTotal, ...]]:
    """Ask by query for the settled days' totals, ungrouped, at the export's own scope."""
    today = datetime.now(UTC).date()
    first = max(covered.first, oldest_day(today))
    last = min(covered.last, today - timedelta(days=_UNSETTLED))
    if last < first:
        return 0, ()
    terms: dict[date, int] = {}
    for batch in rows(delivery, landing):
        for day in batch.rows.column("usage_date").to_pylist():
            terms[day] = terms.get(day, 0) + 1
    requests, totals = query_totals(clients, DayRange(first, last), terms, _TIED[shape])
    return requests, tuple(totals)
