"""Stored answers into typed rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from itertools import chain
from typing import Any, Final

from astraeus_pipeline.contracts.columns import (
    Column,
    ColumnType,
    RawTable,
)
from astraeus_pipeline.contracts.delivery import Fetched, Landing, Reject, RowBatch
from astraeus_pipeline.contracts.snowflake import (
    SNOWFLAKE_COSTS_METERING,
    SNOWFLAKE_QUERIES,
    SNOWFLAKE_RESOURCES,
    SNOWFLAKE_UTILISATION,
)
from astraeus_pipeline.contracts.typed_rows import exact, typed, whole_number
from astraeus_pipeline.providers.snowflake.answers import Answers, read
from astraeus_pipeline.providers.snowflake.client import Row
from astraeus_pipeline.providers.snowflake.metering import metering_rows
from astraeus_pipeline.providers.snowflake.queries import query_rows
from astraeus_pipeline.providers.snowflake.resources import resource_rows
from astraeus_pipeline.providers.snowflake.utilisation import utilisation_rows

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
    return typed(table, (_typed(table, row) for row in _rows(table, fetched, landing)))


def _rows(table: RawTable, fetched: Fetched, landing: Landing) -> Iterator[Row]:
    """Yield the rows of a delivery, as delivered or as derived from several answers."""
    found = read(fetched, landing)
    derive = _DERIVED.get(table.name)
    return derive(found) if derive else chain.from_iterable(found.values())


def _typed(table: RawTable, row: Row) -> Row | Reject:
    """Return the row in the contract's types; what the contract does not name is payload."""
    day = None
    try:
        if "reject" in row:
            day = date.fromisoformat(row["usage_date"])
            raise ValueError(row["reject"])
        day = date.fromisoformat(row["usage_date"])
        known = {column.name: _value(column, row) for column in table.vendor_columns}
    except (KeyError, ValueError, TypeError) as error:
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


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        raise ValueError(f"{str(value)[:200]} is no text")
    return str(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is neither true nor false")


_PARSERS: Final[Mapping[ColumnType, Callable[[Any], Any]]] = {
    "text": _text,
    "numeric": exact,
    "bigint": whole_number,
    "boolean": _boolean,
    "date": date.fromisoformat,
    "timestamptz": datetime.fromisoformat,
    "jsonb": lambda value: json.dumps(value, default=str, sort_keys=True),
}
