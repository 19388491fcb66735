"""Rows as dictionaries into typed batches of a contract."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from astraeus_pipeline.contracts import money, texts
from astraeus_pipeline.contracts.columns import (
    DECIMAL_PRECISION,
    DECIMAL_SCALES,
    Column,
    RawTable,
    arrow_type,
)
from astraeus_pipeline.contracts.delivery import Reject, RowBatch

_BATCH: Final = 16_384
_KEPT_TEXT: Final = 2_000
# What Arrow and Python say where a value does not fit its column.
_UNFIT: Final = (pa.ArrowException, TypeError, ValueError, ArithmeticError)

Row = dict[str, Any]


def typed(table: RawTable, rows: Iterable[Row | Reject]) -> Iterator[RowBatch]:
    """Yield the rows numbered and typed as the contract says; missing keys are null.

    A row with a value that its column cannot hold is rejected, and those beside it are not.
    Characters that PostgreSQL cannot store are left out of texts, as of those of files.
    """
    numbered = _numbered(rows)
    while chunk := list(islice(numbered, _BATCH)):
        good = [row for row in chunk if isinstance(row, dict)]
        rejects = tuple(row for row in chunk if isinstance(row, Reject))
        if not good:
            yield RowBatch(_batch(table, []), rejects)
            continue
        for number, batch in enumerate(_fitted(table, good)):
            yield batch if number else replace(batch, rejects=(*rejects, *batch.rejects))


def storable(amount: Decimal) -> Decimal:
    """Return the amount as it is, if raw holds it to the last digit.

    Raises: ValueError if it is not finite or has more digits than raw's numerics.
    """
    if not amount.is_finite():
        raise ValueError(f"{amount} is no amount")
    if not amount:
        return money.ZERO
    scale = _scale([amount])
    if amount.adjusted() + 1 + scale > DECIMAL_PRECISION:
        raise ValueError(f"{amount} has more than {DECIMAL_PRECISION} digits")
    return amount


def exact(value: object, *, is_double: bool = False) -> Decimal:
    """Read an amount as a provider's answer spells it: a number, or the text of one.

    A double, by its type or as the caller knows, is taken by its shortest spelling, and rounded at
    raw's last decimal: what lies beyond is its noise.
    Raises: ValueError for all else, though Python would read it as a number: true, 1_000, digits of
    other scripts, a list of digits; and for what `storable` refuses.
    """
    if isinstance(value, Decimal):
        return storable(value)
    is_number = isinstance(value, str | int | float) and not isinstance(value, bool)
    text = str(value).strip() if is_number else ""
    if not money.NUMBER.fullmatch(text):
        raise ValueError(f"{str(value)[:200]!r} is no amount")
    amount = Decimal(text)
    if (is_double or isinstance(value, float)) and amount.adjusted() < DECIMAL_PRECISION:
        amount = money.rounded(amount, DECIMAL_SCALES[-1])
    return storable(amount)


def whole_number(value: object) -> int:
    """Read a count. Raises: ValueError for what is none, as one with a fraction."""
    read = exact(value)
    if read != read.to_integral_value():
        raise ValueError(f"{read} is no whole number")
    return int(read)


def _numbered(rows: Iterable[Row | Reject]) -> Iterator[Row | Reject]:
    for number, row in enumerate(rows, 1):
        if isinstance(row, Reject):
            yield replace(row, row_number=number)
        else:
            yield {**row, "row_number": number}


def _fitted(table: RawTable, rows: list[Row]) -> Iterator[RowBatch]:
    """Yield the rows in as few batches as hold them: halves of what one cannot."""
    try:
        yield RowBatch(_batch(table, rows))
    except _UNFIT as error:
        if len(rows) > 1:
            half = len(rows) // 2
            yield from _fitted(table, rows[:half])
            yield from _fitted(table, rows[half:])
        else:
            yield RowBatch(_batch(table, []), (_rejected(rows[0], error),))


def _rejected(row: Row, error: Exception) -> Reject:
    text = json.dumps(row, sort_keys=True, default=str)[:_KEPT_TEXT]
    return Reject(
        row["row_number"], text, f"{type(error).__name__}: {error!s:.300}", row["usage_date"]
    )


def _batch(table: RawTable, rows: list[Row]) -> pa.RecordBatch:
    columns = {}
    for column in table.row_columns:
        values = [row.get(column.name) for row in rows]
        columns[column.name] = _array(column, values)
    return pa.record_batch(columns)


def _array(column: Column, values: list[Any]) -> pa.Array:
    """Return the values as the column's type. Raises: one of _UNFIT."""
    if not column.nullable and None in values:
        raise ValueError(f"{column.name} is empty")
    if column.type == "bigint" and any(type(each) not in (int, type(None)) for each in values):
        raise TypeError(f"{column.name} is no whole number")  # Arrow would cut the rest off
    if column.type in ("text", "jsonb"):
        clean = texts.storable if column.type == "text" else texts.storable_json
        return pa.array([each if each is None else clean(each) for each in values], pa.string())
    if column.type == "timestamptz":
        values = [_instant(each) for each in values]
    scale = _scale(values) if column.type == "numeric" else 0
    return pa.array(values, arrow_type(column.type, scale))


def _instant(value: datetime | None) -> datetime | None:
    """Return a time in UTC, as which it lies in the years that all who read it know."""
    if value is None or value.tzinfo is None:
        return value
    return value.astimezone(UTC)


def _scale(values: list[Any]) -> int:
    """Return the scale that holds the decimals. Raises: ValueError where there is none."""
    amounts = [each for each in values if isinstance(each, Decimal)]
    # Before decimals are counted, for which all digits are written out.
    odd = next((each for each in amounts if _is_endless(each)), None)
    if odd is not None:
        raise ValueError(f"{odd:.10E} is no amount: it is too large or too small")
    needed = max(map(money.decimals, amounts), default=0)
    if needed > DECIMAL_SCALES[-1]:
        raise ValueError(f"an amount has more than {DECIMAL_SCALES[-1]} decimals")
    return next(scale for scale in DECIMAL_SCALES if scale >= needed)


def _is_endless(amount: Decimal) -> bool:
    return amount.is_finite() and abs(amount.adjusted()) > DECIMAL_PRECISION
