"""Bills that tell engines apart: nulls, refunds, currencies, fractions of 1e-24, odd spellings.

FOCUS files through their provider; accounts in AWS's two and Azure's tables of exports beside them;
one month restated, and a later month that corrects a day of the former.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.aws import AWS_COSTS_CUR, AWS_COSTS_FOCUS
from astraeus_pipeline.contracts.azure import AZURE_COSTS_EXPORT, AZURE_COSTS_FOCUS
from astraeus_pipeline.contracts.columns import RawTable, arrow_type
from astraeus_pipeline.contracts.days import DayRange
from benchmarks.awkward_azure import export_rows
from benchmarks.awkward_cur import cur_rows
from benchmarks.data import charges
from benchmarks.deliveries import snake

MONTH: Final = DayRange.of_month(date(2026, 9, 1))
_RESTATED_FROM: Final = date(2026, 9, 26)
_TINY: Final = pa.decimal128(30, 24)
_CURRENCIES: Final = ("USD", "EUR", "JPY", "INR", "BHD")
_COSTS: Final = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
# What a row may lack: a FOCUS file without its costs goes to quarantine.
_GAPS: Final[dict[str, tuple[str, ...]]] = {
    FOCUS_COSTS.name: (),
    AWS_COSTS_FOCUS.name: ("EffectiveCost", "ListCost", "ContractedCost", "ServiceName"),
    AZURE_COSTS_FOCUS.name: ("ListCost", "ContractedCost", "ServiceName"),
}
# Two that the seeds know, two in other spellings, one that nobody knows.
_SERVICES: Final = ("Amazon DynamoDB", "AmazonS3", "amazon s3", "Schlüssel-Dienst ", "Service 07")
_NAMES: Final = ("Team 'a'", 'Team "b"', "Team \\c\tü", " Team d ", "", "日本")
_TAGS: Final = (
    '{"team": "a", "env": "prod"}',
    '{"env":"prod",   "team":"a"}',
    '{"Kosten\\u00fc": "\\"q\\"", "b": null, "n": 1.50, "deep": {"z": [1, 2], "a": true}}',
    '{"twice": "1", "twice": "2"}',
    "{}",
)
_CATEGORIES: Final = ("Usage", "usage", "USAGE", "Tax", "Credit")


@dataclass(frozen=True)
class Bill:
    """One account's month in a raw table; `refresh` 1 is its restatement."""

    number: int
    rows_per_day: int
    table: RawTable
    refresh: int = 0

    @property
    def account_id(self) -> str:
        """Slug of the account."""
        return f"{self.table.name.replace('_', '-')}-{self.number:02d}"

    def batches(self, days: DayRange = MONTH) -> Iterator[pa.RecordBatch]:
        """Yield the charges, FOCUS names and types."""
        for at, batch in enumerate(charges(self.number, days, self.rows_per_day)):
            yield _awkward(
                batch,
                [self.number, at],
                is_invoiced=self.number % 3 == 1,
                gaps=_GAPS[self.table.name],
                by=self.refresh,
            )

    def rows(self) -> Iterator[pa.RecordBatch]:
        """Yield them in the table's own columns, as its provider would have typed them."""
        if self.table is AWS_COSTS_CUR:
            yield from cur_rows(self.number, MONTH, self.rows_per_day)
            return
        if self.table is AZURE_COSTS_EXPORT:
            yield from export_rows(self.number, MONTH, self.rows_per_day)
            return
        for batch in self.batches():
            yield _typed(batch, self.table)

    def write(self, path: Path) -> Path:
        """Write them as a Parquet file."""
        return _write(path, self.batches())

    def write_correction(self, path: Path) -> Path:
        """Write what the next month's bill says of the last day of this one."""
        last = DayRange(MONTH.last, MONTH.last)
        start = datetime(2026, 10, 1, tzinfo=UTC)
        moved = (
            batch.set_column(
                batch.schema.get_field_index("BillingPeriodStart"),
                "BillingPeriodStart",
                pa.repeat(pa.scalar(start, pa.timestamp("us", tz="UTC")), batch.num_rows),
            )
            for batch in self.batches(last)
        )
        return _write(path, moved)


def estate(accounts: int, rows_per_day: int) -> list[Bill]:
    """Return bills of FOCUS files for all accounts but four: AWS's and Azure's in two shapes."""
    others = (AWS_COSTS_CUR, AWS_COSTS_FOCUS, AZURE_COSTS_FOCUS, AZURE_COSTS_EXPORT)
    focus = accounts - len(others)
    return [
        *(Bill(number, rows_per_day, FOCUS_COSTS) for number in range(focus)),
        *(Bill(focus + at, rows_per_day, table) for at, table in enumerate(others)),
    ]


def _awkward(
    batch: pa.RecordBatch, seed: list[int], *, is_invoiced: bool, gaps: tuple[str, ...], by: int
) -> pa.RecordBatch:
    rng, rows = np.random.default_rng(seed), batch.num_rows
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    days = columns["ChargePeriodStart"].cast(pa.date32())
    restated = np.asarray(pc.greater_equal(days, pa.scalar(_RESTATED_FROM)))
    for cost in _COSTS:
        columns[cost] = _with_fractions(columns[cost], rng, by * restated)
    is_refund = pa.array(rng.random(rows) < 0.03)
    for cost in _COSTS:
        columns[cost] = pc.if_else(is_refund, pc.negate(columns[cost]), columns[cost])
    columns["ChargeClass"] = pc.if_else(is_refund, "Correction", pa.scalar(None, pa.string()))
    columns["BillingCurrency"] = _picked(_CURRENCIES, rng, rows)
    columns["ChargeCategory"] = _picked(_CATEGORIES, rng, rows)
    columns["ServiceName"] = _picked(_SERVICES, rng, rows)
    columns["Tags"] = _picked(_TAGS, rng, rows)
    columns["SubAccountName"] = _picked(_NAMES, rng, rows)
    if is_invoiced:
        columns["InvoiceId"] = pa.repeat(pa.scalar(f"INV-{seed[0]}"), rows)
    for name in (
        *("SubAccountId", "SubAccountName", "RegionId", "ServiceCategory", "ResourceId"),
        *("PricingQuantity", *gaps),
    ):
        is_given = pa.array(rng.random(rows) > 0.1)
        columns[name] = pc.if_else(is_given, columns[name], pa.scalar(None, columns[name].type))
    return pa.record_batch(columns)


def _with_fractions(
    column: pa.Array, rng: np.random.Generator, by: npt.NDArray[np.int64]
) -> pa.Array:
    """Add some 1e-24; a restatement adds `by` of them more."""
    units = rng.integers(-999, 999, len(column)) + by
    limbs = np.empty((len(column), 2), dtype=np.int64)
    limbs[:, 0], limbs[:, 1] = units, units >> 63
    fractions = pa.Array.from_buffers(_TINY, len(column), [None, pa.py_buffer(limbs)])
    return pc.add(column.cast(_TINY), fractions)


def _picked(words: tuple[str, ...], rng: np.random.Generator, rows: int) -> pa.Array:
    # mostly the first, so that there is something to sum up
    codes = np.where(rng.random(rows) < 0.8, 0, rng.integers(0, len(words), rows))
    return pa.array(words, pa.string()).take(pa.array(codes))


def _typed(batch: pa.RecordBatch, table: RawTable) -> pa.RecordBatch:
    given = {snake(name): column for name, column in zip(batch.schema.names, batch, strict=True)}
    given["usage_date"] = given["charge_period_start"].cast(pa.date32())
    given["billing_period"] = given["billing_period_start"].cast(pa.date32())
    given["row_number"] = pa.array(range(1, batch.num_rows + 1), pa.int64())
    given["payload"] = pa.repeat(pa.scalar('{"x_SkuMeterCategory": "Meters"}'), batch.num_rows)
    return pa.record_batch(
        {
            column.name: _cast(given[column.name], column.type)
            if column.name in given
            else pa.nulls(batch.num_rows, arrow_type(column.type, 24))
            for column in table.row_columns
        }
    )


def _cast(column: pa.Array, column_type: str) -> pa.Array:
    return column.cast(arrow_type("numeric", 24)) if column_type == "numeric" else column


def _write(path: Path, batches: Iterator[pa.RecordBatch]) -> Path:
    first = next(batches)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)
    return path
