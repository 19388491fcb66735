"""What a raw table is: the single description that DDL, loader, dbt and fixtures follow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pyarrow as pa

Dataset = Literal[
    "costs",
    "resources",
    "utilisation",
    "commitments",
    "forecasts",
    "anomalies",
    "queries",
    "prices",
    "balances",
]
ColumnType = Literal["text", "numeric", "timestamptz", "date", "jsonb", "bigint", "boolean"]

# Decimals travel as decimal128. The scale is chosen per batch (see `decimal_type`), because a
# bill's amounts range from 12-digit totals to unit prices with 20 decimals and none may be rounded.
_ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "jsonb": pa.string(),  # serialised JSON; the loader tells COPY that it is jsonb
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
}
DECIMAL_SCALES = (12, 18, 24, 30)
DECIMAL_PRECISION = 38


@dataclass(frozen=True)
class Column:
    """One column of a raw table, in the vendor's own words."""

    name: str
    type: ColumnType
    description: str
    nullable: bool = True

    def arrow_field(self) -> pa.Field:
        """Return the Arrow field; numeric columns show the usual scale of 18."""
        return pa.field(self.name, arrow_type(self.type), nullable=self.nullable)


def arrow_type(column_type: ColumnType, scale: int = 18) -> pa.DataType:
    """Map a column type to Arrow; numeric becomes decimal128(38, scale)."""
    if column_type == "numeric":
        return pa.decimal128(DECIMAL_PRECISION, scale)
    return _ARROW_TYPES[column_type]


# What every provider's `rows()` yields first, in this order.
ROW_KEYS: tuple[Column, ...] = (
    Column("usage_date", "date", "UTC day of the charge period's start", nullable=False),
    Column("billing_period", "date", "First day of the billing month of the row", nullable=False),
    Column("row_number", "bigint", "1-based position in the delivery's payload", nullable=False),
)

# What the loader adds in front of them.
LOADER_KEYS: tuple[Column, ...] = (
    Column("account_id", "text", "Slug of the account, the Dagster partition key", nullable=False),
    Column("delivery_id", "bigint", "raw.deliveries row that brought this row", nullable=False),
)

PAYLOAD = Column("payload", "jsonb", "The vendor's further fields, as delivered; null when none")


@dataclass(frozen=True)
class RawTable:
    """One raw table: its provider, dataset, the vendor's columns and which of them are money.

    `cost_types` names the money columns, `currency` the column with their ISO code (None where
    the table holds no money), `service` and `charge_category` the columns whose change
    `raw.restatements` reports. `shape` tells tables of one dataset apart where a provider delivers
    it in several formats: an API's answers, an export's files. `history_keys` are the columns
    beside these that staging's service, charge category, costs, finality or invoice depend on:
    what a replaced day was is kept summed by them (numbers among them are summed, too; one field of
    a jsonb column is `payload.x_Name`). `history_rates` are numbers that amounts are multiplied by
    there: they are kept as they are.
    """

    provider: str
    dataset: Dataset
    description: str
    vendor_columns: tuple[Column, ...]
    cost_types: tuple[str, ...] = ()
    currency: str | None = None
    service: str | None = None
    charge_category: str | None = None
    shape: str | None = None
    history_keys: tuple[str, ...] = ()
    history_rates: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that rows are grouped by where only their sums are kept."""
        named = (
            *(self.currency, self.service, self.charge_category),
            *(*self.history_keys, *self.history_rates),
        )
        return tuple(dict.fromkeys(name for name in named if name and name not in self.amounts))

    @property
    def amounts(self) -> tuple[str, ...]:
        """Columns that are summed there: the costs, and numbers among the history keys."""
        numeric = {column.name for column in self.vendor_columns if column.type == "numeric"}
        return (
            *self.cost_types,
            *(name for name in self.history_keys if name in numeric - {*self.cost_types}),
        )

    @property
    def name(self) -> str:
        """Table name inside schema raw, `<provider>_<dataset>` and the shape, if it has one."""
        return "_".join(filter(None, (self.provider, self.dataset, self.shape)))

    @cached_property
    def row_columns(self) -> tuple[Column, ...]:
        """Columns of one row as a provider yields it: keys, vendor columns, payload."""
        return (*ROW_KEYS, *self.vendor_columns, PAYLOAD)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the table as it stands in PostgreSQL."""
        return (*LOADER_KEYS, *self.row_columns)

    @cached_property
    def row_schema(self) -> pa.Schema:
        """Arrow schema of `row_columns` with numeric at scale 18."""
        return pa.schema([column.arrow_field() for column in self.row_columns])
