"""What a payload holds, per slice: counted, summed and digested in one pass over its batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.columns import DECIMAL_PRECISION, RawTable
from astraeus_pipeline.contracts.delivery import ControlTotal, Reject, RowBatch
from astraeus_pipeline.warehouse import digest

# Raw texts kept in the quarantine table; all bad rows are counted, and the payload has them all.
MAX_KEPT_REJECTS: Final = 1000
_EPOCH: Final = date(1970, 1, 1)
_WIDE: Final = 76
# Digits that a sum of a batch may have beyond its largest amount: batches have 16,384 rows.
_SUM_DIGITS: Final = 6


class Slice(NamedTuple):
    """The unit of replacement within an account and dataset: a day as one billing month has it."""

    usage_date: date
    billing_period: date


Sums = dict[tuple[str, str], Decimal]  # (currency, cost type) -> exact sum


@dataclass
class SliceFacts:
    """Row count, digest sum and money of one slice."""

    rows: int = 0
    combined: int = 0
    sums: Sums = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Digest of the rows, in any order."""
        return digest.digest_text(self.rows, self.combined)


class Survey:
    """Facts of all batches seen so far."""

    def __init__(self, table: RawTable) -> None:
        self.table = table
        self.rows = 0
        self.slices: dict[Slice, SliceFacts] = {}
        self.rejects: list[Reject] = []
        self.rejected_rows = 0
        self.blocked_days: set[date] = set()
        self.is_wholly_blocked = False

    def watch(self, batches: Iterable[RowBatch]) -> Iterator[pa.RecordBatch]:
        """Pass the rows of the batches through, taking note of each."""
        for batch in batches:
            self.add(batch)
            if batch.rows.num_rows:
                yield batch.rows

    def add(self, batch: RowBatch) -> None:
        """Take note of one batch."""
        for reject in batch.rejects:
            self._add_reject(reject)
        if batch.rows.num_rows:
            self._add_rows(batch.rows)

    def last_day(self) -> date | None:
        """Return the last day that has rows."""
        return max((each.usage_date for each in self.slices), default=None)

    def sums(self) -> Sums:
        """Return the money of the whole payload per currency and cost type."""
        result: Sums = {}
        for facts in self.slices.values():
            _merge(result, facts.sums)
        return result

    def control_sum(self, control: ControlTotal) -> Decimal:
        """Return what the surveyed rows hold of the days and money that `control` states."""
        key = (control.currency, control.cost_type)
        return money.total(
            facts.sums.get(key, money.ZERO)
            for each, facts in self.slices.items()
            if each.usage_date in control.days
        )

    def _add_reject(self, reject: Reject) -> None:
        self.rejected_rows += 1
        if reject.usage_date is None:
            self.is_wholly_blocked = True
        else:
            self.blocked_days.add(reject.usage_date)
        if len(self.rejects) < MAX_KEPT_REJECTS:
            self.rejects.append(reject)

    def _add_rows(self, rows: pa.RecordBatch) -> None:
        self.rows += rows.num_rows
        hashes = digest.row_hashes(rows)
        keys, inverse = slice_keys(rows)
        if len(keys) == 1:
            facts = self.slices.setdefault(keys[0], SliceFacts())
            facts.rows += rows.num_rows
            facts.combined += digest.combine(hashes)
        else:
            order = np.argsort(inverse, kind="stable")
            starts = np.searchsorted(inverse[order], np.arange(len(keys)))
            combined = np.add.reduceat(hashes[order], starts)
            counts = np.bincount(inverse, minlength=len(keys))
            for key, value, count in zip(keys, combined, counts, strict=True):
                facts = self.slices.setdefault(key, SliceFacts())
                facts.rows += int(count)
                facts.combined += int(value)
        if self.table.currency:
            self._add_money(rows)

    def _add_money(self, rows: pa.RecordBatch) -> None:
        """Sum the cost types by slice and currency; nulls add nothing."""
        keys = ["usage_date", "billing_period", str(self.table.currency)]
        arrays = [rows.column(name) for name in keys]
        arrays += [_summable(rows.column(name)) for name in self.table.cost_types]
        grouped = (
            pa.table(arrays, names=[*keys, *self.table.cost_types])
            .group_by(keys, use_threads=False)
            .aggregate([(name, "sum") for name in self.table.cost_types])
        )
        for row in grouped.to_pylist():
            facts = self.slices[Slice(row["usage_date"], row["billing_period"])]
            _merge(
                facts.sums,
                {
                    (row[keys[2]], name): row[f"{name}_sum"]
                    for name in self.table.cost_types
                    if row[f"{name}_sum"] is not None
                },
            )


def _merge(into: Sums, more: Sums) -> None:
    for key, amount in more.items():
        into[key] = money.add(into.get(key, money.ZERO), amount)


def _summable(column: pa.Array) -> pa.Array:
    """Widen decimals whose size leaves little room for a sum: Arrow's sums wrap silently."""
    scale = column.type.scale
    if scale <= 18 and _largest(column).adjusted() < DECIMAL_PRECISION - scale - _SUM_DIGITS:
        return column
    return column.cast(pa.decimal256(_WIDE, scale))


def _largest(column: pa.Array) -> Decimal:
    bounds = pc.min_max(column).as_py()
    return max((abs(each) for each in bounds.values() if each is not None), default=money.ZERO)


def slice_keys(rows: pa.RecordBatch) -> tuple[list[Slice], npt.NDArray[np.int64]]:
    """Return the distinct slices of the batch and, per row, which of them it belongs to."""
    days = _day_numbers(rows.column("usage_date"))
    periods = _day_numbers(rows.column("billing_period"))
    packed = (days << 32) | periods
    unique, inverse = np.unique(packed, return_inverse=True)
    keys = [
        Slice(
            _EPOCH + timedelta(days=int(key >> 32)), _EPOCH + timedelta(days=int(key & 0xFFFFFFFF))
        )
        for key in unique
    ]
    return keys, inverse


def _day_numbers(column: pa.Array) -> npt.NDArray[np.int64]:
    return np.asarray(pc.cast(column.view(pa.int32()), pa.int64()).to_numpy(zero_copy_only=False))
