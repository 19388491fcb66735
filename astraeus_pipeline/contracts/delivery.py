"""One delivery: what a provider's fetch leaves behind, and what the loader reads from it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import BinaryIO, Literal, Protocol

import pyarrow as pa

from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.contracts.days import DayRange

MediaType = Literal["csv", "csv.gz", "parquet", "jsonl"]
Source = Literal["api", "export", "file"]


@dataclass(frozen=True)
class Part:
    """One stored file or page set of a payload; `sha256`, `bytes`: of the bytes as fetched."""

    name: str
    media_type: MediaType
    sha256: str
    bytes: int
    uri: str


class Landing(Protocol):
    """The immutable store of payloads, addressed by content."""

    def put(self, name: str, chunks: Iterable[bytes], media_type: MediaType) -> Part:
        """Store the bytes once, compressed unless they already are, and return where they lie."""
        ...

    def remember(self, source: str, part: Part) -> None:
        """Note that a part is what a source holds in exactly this version (url, size, ETag)."""
        ...

    def recall(self, source: str) -> Part | None:
        """Return the part that was noted for this version of a source, if it is still stored."""
        ...

    def note(self, source: str, text: str) -> None:
        """Note what was found out about a version of a source; the note may be lost."""
        ...

    def noted(self, source: str) -> str | None:
        """Return what was noted about this version of a source, None if nothing is."""
        ...

    def open(self, part: Part) -> AbstractContextManager[BinaryIO]:
        """Open a stored part and give back the bytes as fetched (seekable for Parquet)."""
        ...


@dataclass(frozen=True)
class ControlTotal:
    """What the provider itself says that days, a currency and a cost type sum up to.

    `scale` is the number of decimals in which the provider states it, `terms` how many of its
    rounded figures the loaded sum is made of: the permitted residual is terms * half a last place
    (0 where `terms` is 0: both sides are the same unrounded figures).
    """

    days: DayRange
    currency: str
    cost_type: str
    amount: Decimal
    source: str
    scale: int = 0
    terms: int = 0

    @property
    def tolerance(self) -> Decimal:
        """The largest residual that rounding alone explains, in `currency`."""
        return Decimal(self.terms) * Decimal(5).scaleb(-self.scale - 1)


@dataclass(frozen=True)
class RowCount:
    """How many rows the provider itself says that a UTC day has."""

    day: date
    rows: int


@dataclass(frozen=True)
class Fetched:
    """One fetch of one account and dataset: the stored parts and what is known about them.

    It replaces every day of `days`. Where `billing_period` is set (file sources) it replaces the
    rows of that billing month instead, on whatever day they lie: a correction in October's file
    for a day in September stands beside what September's file said of that day.

    `complete_through` is the last day that the provider calls complete: empty days up to it are
    real zeros. None: days after the last row are taken as not delivered yet. `shape` names the
    raw table among those of the dataset (see RawTable). `expected_rows` speaks of all the payload;
    where `row_counts` tell them by day (days left out: none), they are what is compared.
    """

    account_id: str
    dataset: Dataset
    days: DayRange
    source: Source
    source_name: str
    parts: tuple[Part, ...]
    billing_period: date | None = None
    complete_through: date | None = None
    controls: tuple[ControlTotal, ...] = ()
    expected_rows: int | None = None
    row_counts: tuple[RowCount, ...] = ()
    requests: int = 0
    request_cost_usd: Decimal = Decimal(0)
    shape: str | None = None


@dataclass(frozen=True)
class Reject:
    """A row that cannot be typed: it blocks its day, or the whole delivery if it has none."""

    row_number: int
    raw_text: str
    reason: str
    usage_date: date | None = None


@dataclass(frozen=True)
class RowBatch:
    """Typed rows in the order and types of the contract's `row_columns`, and the rejected ones.

    Numeric columns are decimal128(38, s) with a scale s of the batch's own choice. Text may be
    dictionary-encoded: the loader then looks at each word once.
    """

    rows: pa.RecordBatch
    rejects: tuple[Reject, ...] = ()
