"""Costs from the payer's export: the current refresh of each month, whole, as one delivery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

import structlog

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Fetched, Landing, Part, RowBatch
from astraeus_pipeline.errors import ConfigError, PayloadError, PermanentError, TransientError
from astraeus_pipeline.exports import contents, reading, selection
from astraeus_pipeline.exports.contents import Inspector
from astraeus_pipeline.exports.dialect import Dialect
from astraeus_pipeline.exports.store import Store, StoredFile, open_store
from astraeus_pipeline.exports.tables import EmptyFile, OpenFile
from astraeus_pipeline.providers.aws import dialects
from astraeus_pipeline.providers.aws.bucket import BucketStore
from astraeus_pipeline.providers.aws.client import AwsClients
from astraeus_pipeline.providers.aws.costs import (
    CostExplorer,
    Question,
    daily_totals,
    oldest_day,
)
from astraeus_pipeline.providers.aws.layouts import Layout, Refresh

# Days that Cost Explorer and the export may still see differently: each refreshes by itself.
_UNSETTLED: Final = 3
_COST_TYPES: Final = {
    "cur": {
        "UnblendedCost": "line_item_unblended_cost",
        "NetUnblendedCost": "line_item_net_unblended_cost",
    },
    "focus": {"NetUnblendedCost": "billed_cost", "NetAmortizedCost": "effective_cost"},
}


def open_export(clients: AwsClients) -> Store:
    """Return the place of the account's export: a bucket by its own session, or a folder.

    Raises: ConfigError, AuthError.
    """
    place = clients.config.place
    return BucketStore(clients, place) if place.scheme == "s3" else open_store(place, {})


def fetch_exports(clients: AwsClients, days: DayRange, landing: Landing) -> Iterator[Fetched]:
    """Yield one delivery for each billing month that `days` touch and the export holds.

    Raises: PermanentError if it holds none of them; PayloadError for an export that contradicts
    itself; TransientError while AWS writes it; AuthError, ConfigError.
    """
    about = f"AWS account {clients.account.slug}"
    try:
        yield from _deliveries(clients, days, landing)
    except PayloadError as error:
        raise PayloadError(
            f"{about}: {error.message}", hint=error.hint or "Look at the export in AWS."
        ) from error
    except ConfigError as error:
        raise ConfigError(f"{about}: {error.message}", hint=error.hint) from error


def _deliveries(clients: AwsClients, days: DayRange, landing: Landing) -> Iterator[Fetched]:
    store = open_export(clients)
    reader = _Reader(clients, store, landing, days)
    listing = store.list()
    layout = Layout(store, listing)
    if layout.is_copy and clients.config.place.scheme == "file":
        yield from reader.copied(listing)
        return
    refreshes = (layout.refresh(month) for month in days.months())
    is_empty = True
    for refresh in (each for each in refreshes if each):
        is_empty = False
        yield reader.refresh(refresh)
    if is_empty:
        months = layout.months
        there = f"{months[0]:%Y-%m} to {months[-1]:%Y-%m}" if months else "no month"
        raise PermanentError(
            f"AWS account {clients.account.slug}: {store.url} holds nothing of {days}; it has"
            f" {there}.",
            hint="Ask for days of months that it holds; AWS backfills an export on request.",
        )


def rows(fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
    """Type the stored files of one delivery. Raises: PayloadError."""
    dialect = dialects.by_shape(fetched.shape)
    notes = yield from reading.rows(fetched, landing, lambda _: dialect)
    if notes.counts.total():
        structlog.get_logger(__name__).info(
            "aws.export.normalised",
            account=fetched.account_id,
            billing_period=str(fetched.billing_period),
            **notes.counts,
        )


def describe(store: Store, config_format: dialects.ExportFormat | None) -> dict[str, str]:
    """Return what an export is, after a look at its listing and one file's header.

    Raises: as `fetch_exports`.
    """
    listing = store.list()
    layout = Layout(store, listing)
    readable = [each for each in listing if each.media_type and each.size]
    if not readable:
        raise PermanentError(f"{store.url}: {selection.describe(listing)}.")
    newest = max(readable, key=lambda each: each.modified)
    dialect, _ = _match(_opened(store, newest), config_format)
    months = ", ".join(f"{each:%Y-%m}" for each in layout.months)
    return {
        "format": dialect.label,
        "months": months or "no manifests: a folder of copied files",
        "header read from": newest.path,
    }


@dataclass
class _Found:
    """What the files of one delivery hold."""

    dialect: Dialect
    parts: list[Part] = field(default_factory=list)
    columns: set[str] = field(default_factory=set)
    rows: dict[date, int] = field(default_factory=dict)


class _Reader:
    """Lands the files of one account's export and says what is in them."""

    def __init__(self, clients: AwsClients, store: Store, landing: Landing, days: DayRange) -> None:
        self._clients, self._store, self._landing, self._days = clients, store, landing, days
        self._format = clients.config.export_format
        self._today = datetime.now(UTC).date()

    def refresh(self, refresh: Refresh) -> Fetched:
        """Land the files that a manifest names.

        Raises: TransientError if a new manifest came meanwhile.
        """
        found = self._land(refresh.month, refresh.files)
        if self._store.stat(refresh.manifest) != refresh.manifest:
            raise TransientError(
                f"AWS account {self._clients.account.slug}: {self._store.url}"
                f" ({refresh.manifest.path}) was replaced while its files were read.",
                hint="AWS has written a new refresh; it is read when tried again.",
            )
        structlog.get_logger(__name__).info(
            "aws.export.refresh",
            account=self._clients.account.slug,
            billing_period=str(refresh.month),
            run=refresh.run,
            files=len(refresh.files),
        )
        is_whole = len(found.parts) == len(refresh.files)
        return self._delivery(refresh.month, found, refresh.expected_rows if is_whole else None)

    def copied(self, listing: list[StoredFile]) -> Iterator[Fetched]:
        """Land files that somebody copied into a folder, chosen by their names and contents."""
        readable = [each for each in listing if each.media_type]
        if not readable:
            raise PermanentError(f"{self._store.url}: {selection.describe(listing)}.")
        dialect, _ = _match(_opened(self._store, readable[0]), self._format)
        inspector = Inspector(self._store, None, dialect, self._landing)
        for month in selection.select(self._store, listing, self._days, inspector):
            found = self._land(month.month, month.files)
            yield self._delivery(month.month, found, month.expected_rows)

    def _land(self, month: date, files: tuple[StoredFile, ...]) -> _Found:
        """Store the files, and look into each where it is stored: one download serves both."""
        parts: dict[str, Part] = {}
        found: _Found | None = None
        for file in files:
            part = reading.land(self._store, file, self._landing)
            if part.sha256 in parts:
                continue
            opened = _stored(part, self._landing)
            try:
                dialect, columns = _match(opened, self._format)
            except EmptyFile:
                continue  # a chunk that a refresh in place did not need any more
            found = found or _Found(dialect)
            if dialect is not found.dialect:
                raise PayloadError(
                    f"{self._store.url}: {part.name} is a {dialect.label} file among"
                    f" {found.dialect.label} files of {month:%Y-%m}.",
                    hint="They are the same money: keep one export in export_url.",
                )
            self._count(month, opened, found)
            found.columns |= columns
            parts[part.sha256] = part
        if files and found is None:
            raise PayloadError(
                f"{self._store.url}: all {len(files)} files of {month:%Y-%m} are empty.",
                hint="Look at the export's state in AWS; the next schedule reads it again.",
            )
        found = found or _Found(dialects.FOCUS if self._format == "focus" else dialects.CUR)
        found.parts = list(parts.values())
        return found

    def _count(self, month: date, file: OpenFile, found: _Found) -> None:
        held = contents.look_into(file, None, found.dialect)
        strangers = sorted(each for each in held.months if each != month)
        if strangers:
            raise PayloadError(
                f"{self._store.url}: {file.name} is a file of {month:%Y-%m}, but holds rows billed"
                f" in {strangers[0]:%Y-%m}.",
                hint="Loading it would replace a month by a part of it; look at the export in AWS.",
            )
        for each in held.months.values():
            for day, count in each.by_day.items():
                found.rows[day] = found.rows.get(day, 0) + count

    def _delivery(self, month: date, found: _Found, expected_rows: int | None) -> Fetched:
        shape = found.dialect.table.shape
        explorer, controls = self._controls(month, found)
        requests = explorer.requests if explorer else 0
        return Fetched(
            account_id=self._clients.account.slug,
            dataset="costs",
            days=self._covered(month, found),
            source="export",
            source_name=self._store.url,
            parts=tuple(found.parts),
            billing_period=month,
            controls=controls,
            expected_rows=expected_rows,
            requests=requests,
            request_cost_usd=explorer.price if explorer else Decimal(0),
            shape=shape,
        )

    def _covered(self, month: date, found: _Found) -> DayRange:
        """Return the whole month once it is over, else up to the last day asked for or charged."""
        whole = DayRange.of_month(month)
        if whole.last < self._today:
            return whole
        latest = max([self._days.last, *found.rows])
        return DayRange(whole.first, max(whole.first, min(whole.last, latest)))

    def _controls(
        self, month: date, found: _Found
    ) -> tuple[CostExplorer | None, tuple[ControlTotal, ...]]:
        """Ask Cost Explorer for the month's settled days, ungrouped, where the account wants it."""
        whole, today = DayRange.of_month(month), self._today
        first = max(whole.first, oldest_day(today))
        last = min(whole.last, today - timedelta(days=_UNSETTLED))
        if not self._clients.config.tie_to_cost_explorer or last < first:
            return None, ()
        explorer = CostExplorer(self._clients, DayRange(first, last))
        pages = list(explorer.pages(Question("total")))
        metrics = {
            metric: cost_type
            for metric, cost_type in _COST_TYPES[str(found.dialect.table.shape)].items()
            if cost_type in found.columns
        }
        # Each line is rounded by itself, and Cost Explorer rounds their unrounded sum.
        terms = {day: count + 1 for day, count in found.rows.items()}
        return explorer, tuple(daily_totals(pages, metrics, terms))


def _match(file: OpenFile, config_format: dialects.ExportFormat | None) -> tuple[Dialect, set[str]]:
    """Return a file's dialect and the columns of its contract that it has."""
    with file.read() as table:
        dialect = dialects.detect(table.names, file.name, config_format)
        return dialect, set(dialect.match(table.names, file.name).known)


def _stored(part: Part, landing: Landing) -> OpenFile:
    return OpenFile(part.name, part.media_type, lambda: landing.open(part))


def _opened(store: Store, file: StoredFile) -> OpenFile:
    assert file.media_type is not None  # noqa: S101  # only such files are handed in
    return OpenFile(file.path, file.media_type, lambda: store.open(file))
