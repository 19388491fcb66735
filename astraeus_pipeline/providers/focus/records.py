"""Rows of FOCUS files as rows of the contract: header matching, typing, rejects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from astraeus_pipeline.contracts.columns import DECIMAL_SCALES, Column, arrow_type
from astraeus_pipeline.contracts.delivery import Reject, RowBatch
from astraeus_pipeline.contracts.focus import FOCUS_COLUMNS, FOCUS_COSTS
from astraeus_pipeline.errors import PayloadError
from astraeus_pipeline.providers.focus import amounts, cells, objects
from astraeus_pipeline.providers.focus.cells import Notes, Typed
from astraeus_pipeline.providers.focus.dates import DateOrder

# Mandatory in FOCUS 1.2; all of them exist since 1.0.
MANDATORY: Final = (
    "billed_cost",
    "billing_account_id",
    "billing_account_name",
    "billing_currency",
    "billing_period_end",
    "billing_period_start",
    "charge_category",
    "charge_class",
    "charge_description",
    "charge_period_end",
    "charge_period_start",
    "contracted_cost",
    "effective_cost",
    "invoice_issuer_name",
    "list_cost",
    "pricing_quantity",
    "pricing_unit",
    "provider_name",
    "publisher_name",
    "service_category",
    "service_name",
)
_REQUIRED_VALUES: Final = (
    *FOCUS_COSTS.cost_types,
    "billing_period_start",
    "charge_period_start",
    "billing_currency",
)
_ROW_SCHEMA: Final = FOCUS_COSTS.row_schema
_KEPT_TEXT: Final = 2_000
_CURRENCY: Final = re.compile(r"[A-Za-z]{3}")


@dataclass(frozen=True)
class Header:
    """Which of a file's columns holds which column of the contract, by position, and the rest."""

    known: Mapping[str, int]
    further: Mapping[str, int]


def match_header(names: Sequence[str], file: str) -> Header:
    """Match names whatever their case or underscores: BilledCost, billed_cost, BILLEDCOST.

    Raises: PayloadError if a mandatory column is absent or a column is there twice.
    """
    header = sort_out(names, file)
    missing = [_pascal(name) for name in MANDATORY if name not in header.known]
    if missing:
        raise PayloadError(
            f"{file} lacks mandatory FOCUS columns: {', '.join(missing)}.",
            hint="It has: " + ", ".join(names[:60]),
        )
    return header


def sort_out(names: Sequence[str], file: str) -> Header:
    """Match names without asking for the mandatory ones. Raises: PayloadError for a doublet."""
    wanted = {column.name.replace("_", ""): column.name for column in FOCUS_COLUMNS}
    known: dict[str, int] = {}
    further: dict[str, int] = {}
    for position, name in enumerate(names):
        clean = name.strip()
        column = wanted.get(re.sub(r"[\s_]", "", clean).lower())
        if column is None:
            further[_free(clean or f"column_{position + 1}", further)] = position
        elif column in known:
            raise PayloadError(f"{file} has the column {_pascal(column)} twice.")
        else:
            known[column] = position
    return Header(known, further)


def _free(name: str, taken: Mapping[str, int]) -> str:
    number, free = 2, name
    while free in taken:
        number, free = number + 1, f"{name}_{number}"
    return free


def guess_version(names: Sequence[str]) -> str:
    """Tell the FOCUS version that the columns of a file speak of."""
    known = sort_out(names, "The file").known
    if {"invoice_id", "billing_account_type", "sub_account_type", "pricing_currency"} & set(known):
        return "1.2"
    newer = {"service_subcategory", "sku_meter", "sku_price_details", "capacity_reservation_id"}
    return "1.1" if (newer | {"commitment_discount_quantity"}) & set(known) else "1.0"


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


@dataclass
class Typer:
    """Types the batches of one file; `period` keeps the rows of one billing month only."""

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
        length = batch.num_rows
        faults = _Faults(length)
        columns, lost = self._columns(batch, faults)
        keys = _keys(columns, length, first_number)
        further = {name: batch.column(at) for name, at in self.header.further.items()}
        texts = {name: cells.text(column, self.notes) for name, column in further.items()}
        columns["payload"] = objects.merge(texts | lost, length)
        arrays = [*keys, *(columns[column.name] for column in FOCUS_COSTS.row_columns[3:])]
        fields = zip(_ROW_SCHEMA, arrays, strict=True)
        schema = pa.schema([each.with_type(array.type) for each, array in fields])
        rows = pa.RecordBatch.from_arrays(arrays, schema=schema)
        return self._kept(rows, batch, faults, first_number)

    def _columns(
        self, batch: pa.RecordBatch, faults: _Faults
    ) -> tuple[dict[str, pa.Array], dict[str, pa.Array]]:
        columns: dict[str, pa.Array] = {}
        lost: dict[str, pa.Array] = {}
        for column in FOCUS_COLUMNS:
            at = self.header.known.get(column.name)
            if at is None:
                columns[column.name] = pa.nulls(
                    batch.num_rows, arrow_type(column.type, DECIMAL_SCALES[0])
                )
                continue
            typed, raw = self._cell(column, batch.column(at))
            columns[column.name] = typed.array
            faults.add(column.name, typed, is_required=column.name in _REQUIRED_VALUES)
            if raw is not None:
                lost[f"x_raw_{column.name}"] = raw
        faults.add("billing_currency", _currency_faults(cells.plain(columns["billing_currency"])))
        return columns, lost

    def _cell(self, column: Column, array: pa.Array) -> tuple[Typed, pa.Array | None]:
        try:
            if column.type == "numeric":
                return amounts.decimals(array, self.notes), None
            if column.type == "timestamptz":
                return cells.times(array, self.order, self.notes), None
            if column.type == "jsonb":
                objects_, raw = cells.json_objects(array, self.notes)
                return Typed(objects_), raw
            return Typed(cells.words(array, self.notes)), None
        except pa.ArrowInvalid as error:
            raise PayloadError(
                f"Column {_pascal(column.name)} of {self.file} cannot be read: {error}."
            ) from error

    def _kept(
        self, rows: pa.RecordBatch, raw: pa.RecordBatch, faults: _Faults, first_number: int
    ) -> RowBatch:
        """Take out the faulty rows, and those of other billing months."""
        in_period = self._in_period(rows.column("billing_period"))
        if faults.mask is None:
            return RowBatch(rows if in_period is None else rows.filter(in_period))
        is_ours = pc.fill_null(in_period, True) if in_period is not None else faults.mask
        faulty = pc.and_(faults.mask, is_ours)
        rejects = [
            _reject(rows, raw, int(index), first_number, faults)
            for index in pc.indices_nonzero(faulty).to_pylist()
        ]
        good = pc.invert(faults.mask)
        return RowBatch(
            rows.filter(good if in_period is None else pc.and_(good, is_ours)), tuple(rejects)
        )

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

    def __init__(self, length: int) -> None:
        self.length = length
        self.mask: pa.BooleanArray | None = None
        self._reasons: list[tuple[str, pa.BooleanArray]] = []

    def add(self, name: str, typed: Typed, *, is_required: bool = False) -> None:
        """Note the bad values of a column, and the missing ones of one that is never null."""
        label = _pascal(name)
        if typed.bad is not None:
            self._note(f"{label} cannot be read as its type", typed.bad)
        if is_required and typed.array.null_count:
            missing = pc.is_null(typed.array)
            if typed.bad is not None:
                missing = pc.and_(missing, pc.invert(typed.bad))
            if pc.any(missing).as_py():
                self._note(f"{label} is missing", missing)

    def reasons(self, index: int) -> str:
        """Spell out all that is wrong with one row."""
        return "; ".join(text for text, mask in self._reasons if mask[index].as_py())

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


def _keys(columns: Mapping[str, pa.Array], length: int, first_number: int) -> list[pa.Array]:
    return [
        columns["charge_period_start"].cast(pa.date32()),
        months(columns["billing_period_start"]),
        pa.array(np.arange(first_number, first_number + length, dtype=np.int64)),
    ]


def months(starts: pa.Array) -> pa.Array:
    """Return the first day of the UTC month of each time; null stays null."""
    bounds = pc.min_max(starts)
    if starts.null_count == 0 and len(starts) and bounds["min"] == bounds["max"]:
        return pa.repeat(
            pa.scalar(bounds["min"].as_py().date().replace(day=1), pa.date32()), len(starts)
        )
    return pc.floor_temporal(starts, unit="month").cast(pa.date32())


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
