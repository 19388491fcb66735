"""Which billing months and days a file holds, from as few of its columns as possible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from astraeus_pipeline.errors import PayloadError
from astraeus_pipeline.providers.focus import cells, dates, records, tables
from astraeus_pipeline.providers.focus.client import FileStore, StoredFile
from astraeus_pipeline.providers.focus.dates import DateOrder
from astraeus_pipeline.providers.focus.tables import OpenFile

_TIMES: Final = (
    "billing_period_start",
    "charge_period_start",
    "billing_period_end",
    "charge_period_end",
)


@dataclass
class MonthContents:
    """Rows of one billing month in one file, and the first and last day of their charges."""

    rows: int
    first_day: date | None = None
    last_day: date | None = None


@dataclass
class Contents:
    """What a file holds: rows by billing month; `rows` counts those without a month too."""

    months: dict[date, MonthContents] = field(default_factory=dict)
    rows: int = 0
    order: DateOrder | None = None


class Inspector:
    """Looks into files, each once: by path, size and time of change."""

    def __init__(self, store: FileStore, order: DateOrder | None) -> None:
        self._store = store
        self._order = order
        self._known: dict[StoredFile, Contents] = {}

    def inspect(self, file: StoredFile) -> Contents:
        """Return what the file holds.

        Raises: PayloadError if it is cut off, lacks mandatory columns, or leaves its dates
        ambiguous; AuthError, TransientError, ConfigError from the store.
        """
        if file not in self._known:
            kind = file.media_type
            if kind is None:
                raise PayloadError(f"{file.path} is neither CSV, CSV.gz nor Parquet.")
            opened = OpenFile(file.path, kind, lambda: self._store.open(file))
            self._known[file] = _contents(opened, self._order)
        return self._known[file]


def decide_order(file: OpenFile, given: DateOrder | None) -> DateOrder | None:
    """Return the order of the slashed dates of a file: as given, else as all its dates tell.

    Raises: PayloadError if no date of the file tells.
    """
    if given is not None:
        return given
    with file.read(_names_of(file)) as table:
        order = dates.infer_order(_distinct_texts(table))
    if order is None:
        raise PayloadError(
            f"{file.name} writes dates like 03/04/2026, and none of them tells day from month.",
            hint="Set date_order of the account to month_first or day_first.",
        )
    return order


def _contents(file: OpenFile, given: DateOrder | None) -> Contents:
    try:
        return _count(file, given)
    except dates.AmbiguousOrder:
        return _count(file, decide_order(file, given))


def _count(file: OpenFile, order: DateOrder | None) -> Contents:
    contents, notes = Contents(order=order), cells.Notes()
    with file.read(_names_of(file, _TIMES[:2])) as table:
        header = records.sort_out(table.names, file.name).known
        for batch in table.batches:
            period, charge = (
                cells.times(batch.column(header[name]), order, notes).array for name in _TIMES[:2]
            )
            contents.rows += batch.num_rows
            _add(contents, records.months(period), charge.cast(pa.date32()))
        contents.rows += len(table.bad_lines)
    return contents


def _add(contents: Contents, months: pa.Array, days: pa.Array) -> None:
    grouped = (
        pa.table({"month": months, "day": days})
        .group_by("month", use_threads=False)
        .aggregate([("day", "min"), ("day", "max"), ([], "count_all")])
    )
    for row in grouped.to_pylist():
        if row["month"] is None:
            continue
        month = contents.months.setdefault(row["month"], MonthContents(0))
        month.rows += row["count_all"]
        firsts = [each for each in (month.first_day, row["day_min"]) if each]
        lasts = [each for each in (month.last_day, row["day_max"]) if each]
        month.first_day, month.last_day = min(firsts, default=None), max(lasts, default=None)


def _names_of(file: OpenFile, wanted: tuple[str, ...] = _TIMES) -> list[str]:
    """Return the file's own names of the wanted columns, after a look at its whole header."""
    with file.read() as table:
        known = records.match_header(table.names, file.name).known
        return [table.names[known[name]] for name in wanted]


def _distinct_texts(table: tables.Table) -> Iterator[str]:
    for batch in table.batches:
        for column in batch.columns:
            if cells.is_text(column):
                yield from (each for each in pc.unique(column).to_pylist() if each is not None)
