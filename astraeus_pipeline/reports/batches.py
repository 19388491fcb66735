"""Rows as dictionaries into typed batches of a contract, for providers that answer in JSON."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.columns import (
    DECIMAL_PRECISION,
    DECIMAL_SCALES,
    RawTable,
    arrow_type,
)
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


def amount(value: object) -> Decimal:
    """Read a number or a decimal string exactly, without the zeros that end it.

    Raises: ValueError if it is none, is not finite, or has more decimals than raw can hold.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError(f"{value!r} is no amount")
    try:
        read = Decimal(value)
    except ArithmeticError:
        raise ValueError(f"{value!r} is no amount") from None
    if not read.is_finite() or abs(read.adjusted()) > DECIMAL_PRECISION:
        raise ValueError(f"{value!r} is no amount")
    if money.decimals(read) > DECIMAL_SCALES[-1]:
        raise ValueError(f"{value!r} has more than {DECIMAL_SCALES[-1]} decimals")
    return Decimal(money.plain(read))


def count(value: object) -> int | None:
    """Read a whole number of things; None where there is none.

    Raises: ValueError if it is no whole number.
    """
    if value is None:
        return None
    read = amount(value)
    if read != read.to_integral_value():
        raise ValueError(f"{value!r} is no whole number")
    return int(read)


def text(value: object) -> str | None:
    """Read a text; None where there is none or it is empty.

    Raises: ValueError if it is something else.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def further(result: Mapping[str, Any], known: Container[str | None]) -> str | None:
    """Spell the fields that have no column of their own as JSON; None where there are none."""
    more = {
        name: value for name, value in result.items() if name not in known and value is not None
    }
    # Decimals as text: JSON has no exact number that every reader keeps.
    return json.dumps(more, sort_keys=True, default=str) if more else None


def _numbered(rows: Iterable[Row | Reject]) -> Iterator[Row | Reject]:
    for number, row in enumerate(rows, 1):
        if isinstance(row, Reject):
            yield Reject(number, row.raw_text, row.reason, row.usage_date)
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
