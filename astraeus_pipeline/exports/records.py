"""Rows of files as rows of the contract, as their dialect says: typing, keys, payload, rejects."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from astraeus_pipeline.contracts.columns import DECIMAL_SCALES, Column, arrow_type
from astraeus_pipeline.contracts.delivery import Reject, RowBatch
from astraeus_pipeline.errors import PayloadError
from astraeus_pipeline.exports import amounts, cells, objects
from astraeus_pipeline.exports.cells import Notes, Typed
from astraeus_pipeline.exports.dates import DateOrder
from astraeus_pipeline.exports.dialect import Dialect, Header

_KEPT_TEXT: Final = 2_000
_CURRENCY: Final = re.compile(r"[A-Za-z]{3}")


@dataclass
class Typer:
    """Types the batches of one file; `period` keeps the rows of one billing month only."""

    dialect: Dialect
    file: str
    header: Header
    period: date | None
    order: DateOrder | None
    notes: Notes = field(default_factory=Notes)

    def type(self, batch: pa.RecordBatch, first_number: int) -> Iterator[RowBatch]:
        """Type one batch whose first row has this number in the payload.

        Yields one RowBatch, or two or more where its amounts need different scales.
        Raises: PayloadError for a column of a hopeless type; dates.AmbiguousOrder.
        """
        try:
            yield self._type(batch, first_number)
        except amounts.NoCommonScale:
            half = batch.num_rows // 2
            yield from self.type(batch.slice(0, half), first_number)
            yield from self.type(batch.slice(half), first_number + half)

    def _type(self, batch: pa.RecordBatch, first_number: int) -> RowBatch:
        length, table = batch.num_rows, self.dialect.table
        faults = _Faults(self.dialect.spell)
        columns, lost = self._columns(batch, faults)
        if self.dialect.derive is not None:
            columns.update(self.dialect.derive(columns, length))
        for name in self.dialect.required_values(self.header):
            faults.require(name, columns[name])
        if self.dialect.refuse is not None:
            for reason, mask in self.dialect.refuse(columns).items():
                faults.note(reason, mask)
        if table.currency:
            faults.add(table.currency, _currency_faults(cells.plain(columns[table.currency])))
        keys = self._keys(columns, length, first_number)
        further = {name: batch.column(at) for name, at in self.header.further.items()}
        texts = {name: cells.text(column, self.notes) for name, column in further.items()}
        columns["payload"] = objects.merge(texts | lost, length)
        arrays = [*keys, *(columns[column.name] for column in table.row_columns[3:])]
        fields = zip(table.row_schema, arrays, strict=True)
        schema = pa.schema([each.with_type(array.type) for each, array in fields])
        rows = pa.RecordBatch.from_arrays(arrays, schema=schema)
        kept = None if self.dialect.keep is None else pc.fill_null(self.dialect.keep(columns), True)
        return self._kept(rows, batch, faults, first_number, kept)

    def _columns(
        self, batch: pa.RecordBatch, faults: _Faults
    ) -> tuple[dict[str, pa.Array], dict[str, pa.Array]]:
        """Type the vendor columns, and keep the raw texts of objects that lost something."""
        columns: dict[str, pa.Array] = {}
        lost: dict[str, pa.Array] = {}
        for column in self.dialect.table.vendor_columns:
            at = self.header.known.get(column.name)
            if at is not None:
                typed, raw = self._cell(column, batch.column(at))
                columns[column.name] = typed.array
                faults.add(column.name, typed)
                if raw is not None:
                    lost[f"x_raw_{column.name}"] = raw
            elif keys := self.header.gathered.get(column.name):
                cells_ = {key: cells.text(batch.column(at), self.notes) for key, at in keys.items()}
                columns[column.name] = objects.merge(cells_, batch.num_rows)
            else:
                columns[column.name] = pa.nulls(
                    batch.num_rows, arrow_type(column.type, DECIMAL_SCALES[0])
                )
        return columns, lost

    def _cell(self, column: Column, array: pa.Array) -> tuple[Typed, pa.Array | None]:
        try:
            if column.type == "numeric":
                return amounts.decimals(array, self.notes), None
            if column.type == "timestamptz":
                return cells.times(array, self.order, self.notes), None
            if column.type == "date":
                return cells.days(array, self.order, self.notes), None
            if column.type == "jsonb":
                objects_, raw = cells.json_objects(array, self.notes)
                return Typed(objects_), raw
            return Typed(cells.words(array, self.notes)), None
        except pa.ArrowInvalid as error:
            raise PayloadError(
                f"Column {self.dialect.spell(column.name)} of {self.file} cannot be read: {error}."
            ) from error

    def _keys(self, columns: Mapping[str, pa.Array], length: int, first: int) -> list[pa.Array]:
        period, usage = self.dialect.keys(self.header)
        return [
            columns[usage].cast(pa.date32()),
            months(columns[period]),
            pa.array(np.arange(first, first + length, dtype=np.int64)),
        ]

    def _kept(
        self,
        rows: pa.RecordBatch,
        raw: pa.RecordBatch,
        faults: _Faults,
        first_number: int,
        kept: pa.BooleanArray | None,
    ) -> RowBatch:
        """Take out the faulty rows, those of other billing months, and those not to be kept."""
        ours = self._in_period(rows.column("billing_period"))
        if kept is not None and (dropped := len(kept) - (pc.sum(kept).as_py() or 0)):
            self.notes.counts["not_kept"] += dropped
            ours = kept if ours is None else pc.and_(pc.fill_null(ours, True), kept)
        if faults.mask is None:
            return RowBatch(rows if ours is None else rows.filter(ours))
        good = pc.invert(faults.mask)
        if ours is None:
            faulty, good_ours = faults.mask, good
        else:
            faulty = pc.and_(faults.mask, pc.fill_null(ours, True))
            good_ours = pc.and_(good, pc.fill_null(ours, True))
        rejects = [
            _reject(rows, raw, int(index), first_number, faults)
            for index in pc.indices_nonzero(faulty).to_pylist()
        ]
        return RowBatch(rows.filter(good_ours), tuple(rejects))

    def _in_period(self, months: pa.Array) -> pa.BooleanArray | None:
        """Mark the rows of the wanted month (null where the month is unknown); None if all are."""
        if self.period is None:
            return None
        bounds = pc.min_max(months)
        if months.null_count == 0 and bounds["min"].as_py() == bounds["max"].as_py() == self.period:
            return None
        return pc.equal(months, pa.scalar(self.period, pa.date32()))


class _Faults:
    """Which rows of a batch cannot be typed, and why."""

    def __init__(self, spell: Callable[[str], str]) -> None:
        self.mask: pa.BooleanArray | None = None
        self._spell = spell
        self._bad: dict[str, pa.BooleanArray] = {}
        self._reasons: list[tuple[str, pa.BooleanArray]] = []

    def add(self, name: str, typed: Typed) -> None:
        """Note the bad values of a column."""
        if typed.bad is not None:
            self._bad[name] = typed.bad
            self._note(f"{self._spell(name)} cannot be read as its type", typed.bad)

    def require(self, name: str, array: pa.Array) -> None:
        """Note the missing values of a column that is never null, the bad ones not again."""
        if array.null_count:
            missing = pc.is_null(array)
            if name in self._bad:
                missing = pc.and_(missing, pc.invert(self._bad[name]))
            if pc.any(missing).as_py():
                self._note(f"{self._spell(name)} is missing", missing)

    def reasons(self, index: int) -> str:
        """Spell out all that is wrong with one row."""
        return "; ".join(text for text, mask in self._reasons if mask[index].as_py())

    def note(self, reason: str, mask: pa.BooleanArray) -> None:
        """Note rows that cannot stand for a reason of the dialect's own; null is no."""
        mask = pc.fill_null(mask, False)
        if pc.any(mask).as_py():
            self._note(reason, mask)

    def _note(self, reason: str, mask: pa.BooleanArray) -> None:
        self._reasons.append((reason, mask))
        self.mask = mask if self.mask is None else pc.or_(self.mask, mask)


def _currency_faults(column: pa.StringArray) -> Typed:
    odd = [
        each
        for each in pc.unique(column).to_pylist()
        if each is not None and not _CURRENCY.fullmatch(each)
    ]
    return Typed(column, pc.is_in(column, value_set=pa.array(odd, pa.string())) if odd else None)


def months(starts: pa.Array) -> pa.Array:
    """Return the first day of the UTC month of each time or day; null stays null."""
    bounds = pc.min_max(starts)
    if starts.null_count == 0 and len(starts) and bounds["min"] == bounds["max"]:
        return pa.repeat(
            pa.scalar(_first_of_month(bounds["min"].as_py()), pa.date32()), len(starts)
        )
    return pc.floor_temporal(starts, unit="month").cast(pa.date32())


def _first_of_month(time: date) -> date:
    return date(time.year, time.month, 1)


def _reject(
    rows: pa.RecordBatch, raw: pa.RecordBatch, index: int, first_number: int, faults: _Faults
) -> Reject:
    row = {
        name: value
        for name, value in raw.slice(index, 1).to_pylist()[0].items()
        if value is not None
    }
    return Reject(
        row_number=first_number + index,
        raw_text=json.dumps(row, ensure_ascii=False, default=str).replace("\0", "")[:_KEPT_TEXT],
        reason=faults.reasons(index),
        usage_date=rows.column("usage_date")[index].as_py(),
    )
