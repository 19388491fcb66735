"""Stored answers into typed rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from itertools import chain, islice
from typing import Any, Final

import pyarrow as pa

from astraeus_pipeline.contracts.columns import (
    DECIMAL_SCALES,
    Column,
    ColumnType,
    RawTable,
    arrow_type,
)
from astraeus_pipeline.contracts.delivery import Fetched, Landing, Reject, RowBatch
from astraeus_pipeline.contracts.snowflake import (
    SNOWFLAKE_COSTS_METERING,
    SNOWFLAKE_QUERIES,
    SNOWFLAKE_RESOURCES,
    SNOWFLAKE_UTILISATION,
)
from astraeus_pipeline.providers.snowflake.answers import Answers, read
from astraeus_pipeline.providers.snowflake.client import Row
from astraeus_pipeline.providers.snowflake.metering import metering_rows
from astraeus_pipeline.providers.snowflake.queries import query_rows
from astraeus_pipeline.providers.snowflake.resources import resource_rows
from astraeus_pipeline.providers.snowflake.utilisation import utilisation_rows

_BATCH: Final = 16_384
_DERIVED: Final[Mapping[str, Callable[[Answers], Iterator[Row]]]] = {
    SNOWFLAKE_COSTS_METERING.name: metering_rows,
    SNOWFLAKE_RESOURCES.name: resource_rows,
    SNOWFLAKE_UTILISATION.name: utilisation_rows,
    SNOWFLAKE_QUERIES.name: query_rows,
}


def batches(table: RawTable, fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
    """Turn the stored answers of a delivery into batches of the table's contract.

    Raises: PayloadError if a line is no JSON.
    """
    numbered = _numbered(_typed(table, row) for row in _rows(table, fetched, landing))
    while chunk := list(islice(numbered, _BATCH)):
        good = [row for row in chunk if isinstance(row, dict)]
        rejects = tuple(row for row in chunk if isinstance(row, Reject))
        yield RowBatch(_batch(table, good), rejects)


def _rows(table: RawTable, fetched: Fetched, landing: Landing) -> Iterator[Row]:
    """Yield the rows of a delivery, as delivered or as derived from several answers."""
    found = read(fetched, landing)
    derive = _DERIVED.get(table.name)
    return derive(found) if derive else chain.from_iterable(found.values())


def _numbered(rows: Iterator[Row | Reject]) -> Iterator[Row | Reject]:
    for number, row in enumerate(rows, 1):
        if isinstance(row, Reject):
            yield replace(row, row_number=number)
        else:
            yield {**row, "row_number": number}


def _typed(table: RawTable, row: Row) -> Row | Reject:
    """Return the row in the contract's types; what the contract does not name is payload."""
    day = None
    try:
        if "reject" in row:
            day = date.fromisoformat(row["usage_date"])
            raise ValueError(row["reject"])
        day = date.fromisoformat(row["usage_date"])
        known = {column.name: _value(column, row) for column in table.vendor_columns}
    except (KeyError, ValueError, TypeError, InvalidOperation) as error:
        return Reject(0, json.dumps(row, default=str)[:2000], f"{_name(error)}: {error}", day)
    further = {name: row[name] for name in row.keys() - known.keys() - {"usage_date"}}
    return {
        "usage_date": day,
        "billing_period": day.replace(day=1),
        **known,
        "payload": json.dumps(further, default=str, sort_keys=True) if further else None,
    }


def _name(error: Exception) -> str:
    return "missing" if isinstance(error, KeyError) else type(error).__name__


def _value(column: Column, row: Mapping[str, Any]) -> Any:
    value = row[column.name]
    if value is None or value == "":
        if not column.nullable:
            raise ValueError(f"{column.name} is empty")
        return None
    return _PARSERS[column.type](value)


def _decimal(value: Any) -> Decimal:
    amount = Decimal(str(value))
    if not amount.is_finite():
        raise ValueError(f"{amount} is no amount")
    if -_exponent(amount) > DECIMAL_SCALES[-1]:
        raise ValueError(f"{amount} has more than {DECIMAL_SCALES[-1]} decimals")
    return amount


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is neither true nor false")


_PARSERS: Final[Mapping[ColumnType, Callable[[Any], Any]]] = {
    "text": str,
    "numeric": _decimal,
    "bigint": int,
    "boolean": _boolean,
    "date": date.fromisoformat,
    "timestamptz": datetime.fromisoformat,
    "jsonb": lambda value: json.dumps(value, default=str, sort_keys=True),
}


def _batch(table: RawTable, rows: list[Row]) -> pa.RecordBatch:
    columns = {}
    for column in table.row_columns:
        values = [row[column.name] for row in rows]
        scale = _scale(values) if column.type == "numeric" else 0
        columns[column.name] = pa.array(values, arrow_type(column.type, scale))
    return pa.record_batch(columns)


def _scale(values: list[Decimal | None]) -> int:
    needed = max((-_exponent(value) for value in values if value is not None), default=0)
    return next(scale for scale in DECIMAL_SCALES if scale >= needed)


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
