"""Rows as dictionaries into typed batches of a contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.columns import DECIMAL_SCALES, RawTable, arrow_type
from astraeus_pipeline.contracts.delivery import Reject, RowBatch

_BATCH: Final = 16_384

Row = dict[str, Any]


def typed(table: RawTable, rows: Iterable[Row | Reject]) -> Iterator[RowBatch]:
    """Yield the rows numbered and typed as the contract says; missing keys are null."""
    numbered = _numbered(rows)
    while chunk := list(islice(numbered, _BATCH)):
        good = [row for row in chunk if isinstance(row, dict)]
        rejects = tuple(row for row in chunk if isinstance(row, Reject))
        yield RowBatch(_batch(table, good), rejects)


def storable(amount: Decimal) -> Decimal:
    """Return the amount as it is, if raw holds it to the last decimal.

    Raises: ValueError if it is not finite or has more decimals than raw's numerics.
    """
    if not amount.is_finite():
        raise ValueError(f"{amount} is no amount")
    if money.decimals(amount) > DECIMAL_SCALES[-1]:
        raise ValueError(f"{amount} has more than {DECIMAL_SCALES[-1]} decimals")
    return amount


def _numbered(rows: Iterable[Row | Reject]) -> Iterator[Row | Reject]:
    for number, row in enumerate(rows, 1):
        if isinstance(row, Reject):
            yield replace(row, row_number=number)
        else:
            yield {**row, "row_number": number}


def _batch(table: RawTable, rows: list[Row]) -> pa.RecordBatch:
    columns = {}
    for column in table.row_columns:
        values = [row.get(column.name) for row in rows]
        scale = _scale(values) if column.type == "numeric" else 0
        columns[column.name] = pa.array(values, arrow_type(column.type, scale))
    return pa.record_batch(columns)


def _scale(values: list[Decimal | None]) -> int:
    needed = max((money.decimals(value) for value in values if value is not None), default=0)
    return next((scale for scale in DECIMAL_SCALES if scale >= needed), DECIMAL_SCALES[-1])
