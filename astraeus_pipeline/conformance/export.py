"""One provider's charges out of `marts.fct_charges`, as a Parquet file in the standard's terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from astraeus_pipeline.contracts.columns import (
    DECIMAL_PRECISION,
    Column,
    ColumnType,
    arrow_type,
)
from astraeus_pipeline.contracts.focus import FOCUS_COSTS
from astraeus_pipeline.errors import DatabaseError

SAMPLE_ROWS: Final = 100_000
_BATCH_ROWS: Final = 5_000
_LEAST_SCALE: Final = 2
_CHARGES: Final = sql.Identifier("marts", "fct_charges")

# What the mart has beside the standard's columns; FOCUS asks for the prefix of their names.
_OWN: Final[Mapping[str, ColumnType]] = {
    "charge_key": "text",
    "account_id": "text",
    "usage_date": "date",
    "x_delivery_id": "bigint",
    "x_row_number": "bigint",
    "x_is_final": "boolean",
    "x_list_cost_source": "text",
    "x_contracted_cost_source": "text",
    "x_effective_cost_source": "text",
}


@dataclass(frozen=True)
class Stratum:
    """Charges of one category in one currency: how many there are, how many are exported."""

    charge_category: str | None
    billing_currency: str | None
    rows: int
    exported: int


@dataclass(frozen=True)
class Export:
    """A provider's file and what it holds."""

    provider: str
    path: Path
    strata: tuple[Stratum, ...]

    @property
    def rows(self) -> int:
        """Rows in the file."""
        return sum(each.exported for each in self.strata)


def focus_name(column: str) -> str:
    """Spell a column as the standard does: `sku_price_id` is SkuPriceId, own ones keep x_."""
    name = "".join(part.capitalize() for part in column.removeprefix("x_").split("_"))
    return f"x_{name}" if column in _OWN else name


def providers_with_charges(conn: psycopg.Connection) -> tuple[str, ...]:
    """Return the keys of the providers that the mart knows, in order.

    Raises: DatabaseError if the marts were never built.
    """
    query = sql.SQL("select distinct provider from {} order by provider").format(_CHARGES)
    try:
        found = conn.execute(query).fetchall()
    except psycopg.errors.UndefinedTable:
        raise DatabaseError(
            "The marts are not built yet, so there is nothing to hold against FOCUS.",
            hint="Run `astraeus backfill` on your accounts, or `astraeus demo`.",
        ) from None
    return tuple(provider for (provider,) in found)


def export_charges(
    conn: psycopg.Connection, provider: str, path: Path, limit: int = SAMPLE_ROWS
) -> Export:
    """Write a provider's charges, all 57 columns of FOCUS 1.2 and ours, to a Parquet file.

    Ids are strings, money is decimal128 at a scale that rounds nothing, times are UTC timestamps.
    More charges than `limit` are sampled: small strata of charge category and currency whole, the
    others in equal parts, by the hash that is the charge's key and so the same at every run.
    """
    strata = _strata(conn, provider, limit)
    columns = (*FOCUS_COSTS.vendor_columns, *(Column(n, t, n) for n, t in _OWN.items()))
    schema = pa.schema(_fields(conn, provider, columns))
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema) as writer:
        for stratum in strata:
            for rows in _rows(conn, provider, stratum, columns):
                arrays = [
                    pa.array(cells, field.type)
                    for cells, field in zip(zip(*rows, strict=True), schema, strict=True)
                ]
                writer.write_batch(pa.record_batch(arrays, schema=schema))
    return Export(provider, path, strata)


def shares(sizes: Sequence[int], limit: int) -> list[int]:
    """Divide `limit` rows among strata of these sizes: no share above its size, else equal ones."""
    taken, left = [0] * len(sizes), limit
    order = sorted(range(len(sizes)), key=lambda index: sizes[index])
    for position, index in enumerate(order):
        taken[index] = min(sizes[index], left // (len(sizes) - position))
        left -= taken[index]
    return taken


def _strata(conn: psycopg.Connection, provider: str, limit: int) -> tuple[Stratum, ...]:
    found = conn.execute(
        sql.SQL(
            "select charge_category, billing_currency, count(*) from {}"
            " where provider = %s group by 1, 2 order by 1, 2"
        ).format(_CHARGES),
        [provider],
    ).fetchall()
    exported = shares([rows for *_, rows in found], limit)
    return tuple(
        Stratum(category, currency, rows, share)
        for (category, currency, rows), share in zip(found, exported, strict=True)
    )


def _rows(
    conn: psycopg.Connection, provider: str, stratum: Stratum, columns: Sequence[Column]
) -> Iterator[list[tuple[Any, ...]]]:
    query = sql.SQL(
        "select {} from {} where provider = %s"
        " and charge_category is not distinct from %s and billing_currency is not distinct from %s"
        " order by charge_key limit %s"
    ).format(sql.SQL(", ").join(_selected(column) for column in columns), _CHARGES)
    values = [provider, stratum.charge_category, stratum.billing_currency, stratum.exported]
    # A server-side cursor needs a transaction.
    with conn.transaction(), conn.cursor("focus_export") as cursor:
        cursor.execute(query, values)
        while rows := cursor.fetchmany(_BATCH_ROWS):
            yield rows


def _selected(column: Column) -> sql.Composable:
    name = sql.Identifier(column.name)
    return sql.SQL("{}::text").format(name) if column.type == "jsonb" else name


def _fields(
    conn: psycopg.Connection, provider: str, columns: Sequence[Column]
) -> Iterator[pa.Field]:
    scales = _scales(conn, provider, [c.name for c in columns if c.type == "numeric"])
    for column in columns:
        kind = arrow_type(column.type, scales.get(column.name, _LEAST_SCALE))
        yield pa.field(focus_name(column.name), kind)


def _scales(conn: psycopg.Connection, provider: str, names: Sequence[str]) -> dict[str, int]:
    """Return per column the decimals that its values have, as far as 38 digits reach."""
    asked = sql.SQL(", ").join(
        sql.SQL("max(scale(trim_scale({0}))), max(length(trunc(abs({0}))::text))").format(
            sql.Identifier(name)
        )
        for name in names
    )
    query = sql.SQL("select {} from {} where provider = %s").format(asked, _CHARGES)
    found = conn.execute(query, [provider]).fetchone() or ()
    pairs = zip(names, found[::2], found[1::2], strict=True)
    return {
        name: min(max(decimals or 0, _LEAST_SCALE), DECIMAL_PRECISION - (digits or 0))
        for name, decimals, digits in pairs
    }
