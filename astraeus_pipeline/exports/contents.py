"""Which billing months and days a file holds, from as few of its columns as possible."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter, ValidationError

from astraeus_pipeline.contracts.delivery import Landing
from astraeus_pipeline.errors import PayloadError
from astraeus_pipeline.exports import cells, dates, records, tables
from astraeus_pipeline.exports.dates import DateOrder
from astraeus_pipeline.exports.dialect import Dialect, Header
from astraeus_pipeline.exports.store import Store, StoredFile
from astraeus_pipeline.exports.tables import OpenFile

_Choice = Callable[[Header], Sequence[str]]


@dataclass
class MonthContents:
    """Rows of one billing month in one file, and how many of them start on which day.

    `rows` counts those without a readable day too.
    """

    rows: int
    by_day: dict[date, int] = field(default_factory=dict)

    @property
    def first_day(self) -> date | None:
        """First day with charges."""
        return min(self.by_day, default=None)

    @property
    def last_day(self) -> date | None:
        """Last day with charges."""
        return max(self.by_day, default=None)


@dataclass
class Contents:
    """What a file holds: rows by billing month; `rows` counts those without a month too."""

    months: dict[date, MonthContents] = field(default_factory=dict)
    rows: int = 0
    order: DateOrder | None = None


_NOTE: Final = TypeAdapter(Contents)
# Raise it when the same file would be read otherwise: notes of the former way are not believed.
_READING: Final = 1
_SETTLED: Final = timedelta(days=1)


class Inspector:
    """Looks into files, each once: by path, size and time of change.

    With a landing store, a file that a former run looked into is not read again, if it was a day
    old then: each night's run would else read the whole history of a folder that keeps its months
    side by side. What is loaded is read in any case; this only says which files hold a month.
    """

    def __init__(
        self,
        store: Store,
        order: DateOrder | None,
        dialect: Dialect,
        landing: Landing | None = None,
    ) -> None:
        self._store = store
        self._order = order
        self._dialect = dialect
        self._landing = landing
        self._known: dict[StoredFile, Contents] = {}

    def inspect(self, file: StoredFile) -> Contents:
        """Return what the file holds.

        Raises: PayloadError if it is cut off, lacks mandatory columns, or leaves its dates
        ambiguous; AuthError, TransientError, ConfigError from the store.
        """
        if file not in self._known:
            self._known[file] = self._noted(file) or self._look(file)
        return self._known[file]

    def _look(self, file: StoredFile) -> Contents:
        kind = file.media_type
        if kind is None:
            raise PayloadError(f"{file.path} is neither CSV, CSV.gz nor Parquet.")
        opened = OpenFile(file.path, kind, lambda: self._store.open(file))
        found = look_into(opened, self._order, self._dialect)
        # One that was just written may be written again with the same size, in the same second.
        if self._landing and datetime.now(UTC) - file.modified > _SETTLED:
            self._landing.note(self._source(file), _NOTE.dump_json(found).decode())
        return found

    def _noted(self, file: StoredFile) -> Contents | None:
        text = self._landing.noted(self._source(file)) if self._landing else None
        try:
            return _NOTE.validate_json(text) if text else None
        except ValidationError:
            return None

    def _source(self, file: StoredFile) -> str:
        how = f"{_READING}|{self._dialect.label}|{self._order}"
        which = f"{file.path}|{file.size}|{file.modified.isoformat()}|{file.version}"
        return f"contents|{how}|{self._store.url}|{which}"


def decide_order(file: OpenFile, given: DateOrder | None, dialect: Dialect) -> DateOrder | None:
    """Return the order of the slashed dates of a file: as given, else as all its dates tell.

    Raises: PayloadError if no date of the file tells.
    """
    if given is not None:
        return given
    with file.read(_names_of(file, dialect, dialect.times)) as table:
        order = dates.infer_order(_distinct_texts(table))
    if order is None:
        raise PayloadError(
            f"{file.name} writes dates like 03/04/2026, and none of them tells day from month.",
            hint="Set date_order of the account to month_first or day_first.",
        )
    return order


def look_into(file: OpenFile, order: DateOrder | None, dialect: Dialect) -> Contents:
    """Return what an open file holds. Raises: PayloadError as `Inspector.inspect`."""
    try:
        return _count(file, order, dialect)
    except dates.AmbiguousOrder:
        return _count(file, decide_order(file, order, dialect), dialect)


def _count(file: OpenFile, order: DateOrder | None, dialect: Dialect) -> Contents:
    contents, notes = Contents(order=order), cells.Notes()
    with file.read(_names_of(file, dialect, dialect.keys)) as table:
        header = dialect.sort_out(table.names, file.name)
        for batch in table.batches:
            period, charge = (
                cells.times(batch.column(header.known[name]), order, notes).array
                for name in dialect.keys(header)
            )
            contents.rows += batch.num_rows
            _add(contents, records.months(period), charge.cast(pa.date32()))
        contents.rows += len(table.bad_lines)
    return contents


def _add(contents: Contents, months: pa.Array, days: pa.Array) -> None:
    grouped = (
        pa.table({"month": months, "day": days})
        .group_by(["month", "day"], use_threads=False)
        .aggregate([([], "count_all")])
    )
    for row in grouped.to_pylist():
        if row["month"] is None:
            continue
        month = contents.months.setdefault(row["month"], MonthContents(0))
        month.rows += row["count_all"]
        if row["day"] is not None:
            month.by_day[row["day"]] = month.by_day.get(row["day"], 0) + row["count_all"]


def _names_of(file: OpenFile, dialect: Dialect, choose: _Choice) -> list[str]:
    """Return the file's own names of the columns chosen after a look at its whole header."""
    with file.read() as table:
        header = dialect.match(table.names, file.name)
        return [table.names[header.known[name]] for name in choose(header)]


def _distinct_texts(table: tables.Table) -> Iterator[str]:
    for batch in table.batches:
        for column in batch.columns:
            if cells.is_text(column):
                yield from (each for each in pc.unique(column).to_pylist() if each is not None)
