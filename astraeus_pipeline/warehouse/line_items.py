"""Line items of the standing slices as Parquet in the landing store, and orders that name them.

`line-items/<table>/delivery_id=<id>/<finished at>/rows.parquet`: what of a delivery stood when it
was written, one file, never changed. `line-items/orders/<order>/slices.parquet`: the slices that an
engine is to sum up, each with the delivery that it stands in and that delivery's file. An engine
joins both, so a restated day is another delivery in the next order, and no file that anybody reads
is touched.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from psycopg import sql

from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.contracts.delivery import RowBatch
from astraeus_pipeline.contracts.line_items import (
    INTEGER_DIGITS,
    LINE_ITEM_TABLES,
    PRODUCTS,
    SCALE,
    line_item_schema,
)
from astraeus_pipeline.errors import LoadError
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.object_stores import told
from astraeus_pipeline.warehouse.slice_sums import SliceSums
from astraeus_pipeline.warehouse.survey import Slice, Survey, slice_keys

FOLDER: Final = "line-items"
ORDERS: Final = f"{FOLDER}/orders"
SLICES: Final = "slices.parquet"
_SUMMARY: Final = "astraeus.slices"
_LIMIT: Final = Decimal(10) ** INTEGER_DIGITS
# As wide as Arrow multiplies, and what of it may be there.
_FACTOR: Final = pa.decimal256(37, SCALE)
_PRODUCT: Final = pa.decimal256(75, SCALE)
_STANDING: Final = sql.SQL("""
    select deliveries.id, partitions.account_id, partitions.provider, partitions.raw_table,
        deliveries.payload_uri, deliveries.finished_at, partitions.usage_date,
        partitions.billing_period, partitions.digest
    from raw.partitions as partitions
    inner join raw.deliveries as deliveries on deliveries.id = partitions.delivery_id
    where partitions.dataset = 'costs' and partitions.raw_table = any(%s) and {only}
    order by deliveries.id, partitions.usage_date, partitions.billing_period
""")
_NOT_SUMMED: Final = """
    not exists (
        select 1 from intermediate.summed_slices as summed
        where summed.account_id = partitions.account_id and summed.reason is null
            and summed.usage_date = partitions.usage_date
            and summed.billing_period = partitions.billing_period
            and summed.delivery_id = partitions.delivery_id
    )
"""
_SLICES: Final = pa.schema(
    [
        ("raw_table", pa.string()),
        ("account_id", pa.string()),
        ("usage_date", pa.date32()),
        ("billing_period", pa.date32()),
        ("delivery_id", pa.int64()),
        ("rows", pa.int64()),
        ("sums", pa.string()),
        ("file", pa.string()),
    ]
)
_DELIVERIES: Final = pa.schema([("id", pa.int64()), ("finished_at", pa.timestamp("us", tz="UTC"))])


@dataclass(frozen=True)
class Standing:
    """One delivery of which slices stand: where its payload lies, and those slices' digests."""

    delivery_id: int
    account_id: str
    provider: str
    raw_table: str
    payload_uri: str
    finished_at: datetime
    slices: dict[Slice, str]

    @property
    def file(self) -> str:
        """Name of its line items below the landing store.

        With the moment at which it was loaded: a ledger that is restored counts ids again.
        """
        loaded = stamp(self.finished_at)
        return f"{FOLDER}/{self.raw_table}/delivery_id={self.delivery_id}/{loaded}/rows.parquet"


Read = Callable[[Standing], Iterable[RowBatch]]


@dataclass(frozen=True)
class Order:
    """What an engine is asked for: slices and line items by count, and the deliveries left out."""

    name: str
    slices: int
    rows: int
    refused: Mapping[int, str]

    @property
    def folder(self) -> str:
        """Folder of the order below the landing store; an engine writes its sums into it."""
        return order_folder(self.name)


def stamp(moment: datetime) -> str:
    """Spell a moment as names of line items do."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S.%f}"


def order_folder(name: str) -> str:
    """Return the folder of an order below the landing store."""
    return f"{ORDERS}/{name}"


def standing_deliveries(conn: psycopg.Connection, *, is_everything: bool = True) -> list[Standing]:
    """Return the deliveries of line items that stand, with the slices that they stand for.

    Without `is_everything` of the slices that no engine has summed in this delivery yet: the marts
    must have been built once.
    """
    found: dict[int, Standing] = {}
    query = _STANDING.format(only=sql.SQL("true" if is_everything else _NOT_SUMMED))
    for row in conn.execute(query, [list(LINE_ITEM_TABLES)]):
        about = Standing(row[0], row[1], row[2], row[3], row[4], row[5], {})
        found.setdefault(row[0], about).slices[Slice(row[6], row[7])] = row[8]
    return [*found.values()]


def place_order(landing: LandingStore, deliveries: Iterable[Standing], read: Read) -> Order:
    """Write the line items that are not there yet, and an order for all slices of the deliveries.

    A delivery whose rows are not what the ledger says, or do not fit the Parquet types, is left out
    and told. Raises: StoreError, ConfigError of the landing store.
    """
    slices: list[dict[str, Any]] = []
    finished: list[dict[str, Any]] = []
    refused: dict[int, str] = {}
    for each in deliveries:
        try:
            slices += _ordered(landing, each, read)
        except LoadError as error:
            refused[each.delivery_id] = str(error)
        else:
            finished.append({"id": each.delivery_id, "finished_at": each.finished_at})
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    folder = order_folder(name)
    _publish_table(landing, f"{folder}/deliveries.parquet", finished, _DELIVERIES)
    _publish_table(landing, f"{folder}/{SLICES}", slices, _SLICES)
    return Order(name, len(slices), sum(each["rows"] for each in slices), refused)


def _ordered(landing: LandingStore, delivery: Standing, read: Read) -> list[dict[str, Any]]:
    """Return the lines of an order about one delivery; its file is there then, and agrees."""
    has_rows = any(_rows(digest) for digest in delivery.slices.values())
    if has_rows and not landing.objects.exists(delivery.file):
        write_line_items(landing, delivery, read)
    written = _summary(landing, delivery) if has_rows else {}
    _check(delivery, {each: line["digest"] for each, line in written.items()})
    return [
        {
            "raw_table": delivery.raw_table,
            "account_id": delivery.account_id,
            "usage_date": each.usage_date,
            "billing_period": each.billing_period,
            "delivery_id": delivery.delivery_id,
            "rows": written[each]["rows"] if _rows(digest) else 0,
            "sums": json.dumps(written[each]["sums"] if _rows(digest) else {}, sort_keys=True),
            "file": delivery.file if _rows(digest) else None,
        }
        for each, digest in delivery.slices.items()
    ]


def _check(delivery: Standing, digests: Mapping[Slice, str]) -> None:
    """Hold digests of rows against the ledger's. Raises: LoadError where one differs."""
    for each, digest in delivery.slices.items():
        if _rows(digest) and digests.get(each) != digest:
            raise LoadError(
                f"Account {delivery.account_id}, {each.usage_date}: the payload of delivery"
                f" {delivery.delivery_id} no longer gives the rows that were loaded.",
                hint="Its line items stay in PostgreSQL alone. Ingest the day again"
                " (`astraeus backfill`).",
            )


def write_line_items(landing: LandingStore, delivery: Standing, read: Read) -> None:
    """Write the standing rows of a delivery as one Parquet file.

    The rows are those of the payload, typed as the loader typed them; the file's own metadata tell
    the digest of each slice and the sums of its FOCUS costs.
    Raises: LoadError if they are not, or an amount does not fit the type; then there is no file.
    """
    table = LINE_ITEM_TABLES[delivery.raw_table]
    survey, sums = Survey(table), SliceSums(table)
    with (
        _publishing(landing, delivery.file) as path,
        pq.ParquetWriter(path, line_item_schema(table), compression="zstd") as writer,
    ):
        for batch in survey.watch(read(delivery)):
            kept = _of_slices(batch, delivery.slices)
            if kept.num_rows:
                typed = _typed(kept, table, delivery)
                sums.add(typed)
                writer.write_batch(typed)
        _check(delivery, {each: facts.digest for each, facts in survey.slices.items()})
        summary = [
            {
                "usage_date": str(each.usage_date),
                "billing_period": str(each.billing_period),
                "digest": survey.slices[each].digest,
                "rows": sums.rows(each),
                "sums": sums.of(each),
            }
            for each in delivery.slices
            if each in survey.slices
        ]
        writer.add_key_value_metadata({_SUMMARY: json.dumps(summary)})


def _summary(landing: LandingStore, delivery: Standing) -> dict[Slice, dict[str, Any]]:
    """Return what a file of line items says of its slices."""
    with told(landing.root), landing.objects.open(delivery.file) as handle:
        metadata = pq.read_metadata(handle).metadata
    return {
        Slice(
            date.fromisoformat(each["usage_date"]), date.fromisoformat(each["billing_period"])
        ): each
        for each in json.loads(metadata[_SUMMARY.encode()])
    }


def _rows(digest: str | None) -> int:
    """Return the number of rows that a slice's digest begins with."""
    return int((digest or "0").partition(":")[0])


def _of_slices(batch: pa.RecordBatch, wanted: Mapping[Slice, str]) -> pa.RecordBatch:
    keys, inverse = slice_keys(batch)
    keep = np.array([key in wanted for key in keys])[inverse]
    return batch if keep.all() else batch.filter(pa.array(keep))


def _typed(batch: pa.RecordBatch, table: RawTable, delivery: Standing) -> pa.RecordBatch:
    """Return the rows with their owner in front, in the types of the Parquet files."""
    schema, rows = line_item_schema(table), batch.num_rows
    columns = {
        "account_id": pa.repeat(pa.scalar(delivery.account_id), rows),
        "delivery_id": pa.repeat(pa.scalar(delivery.delivery_id, pa.int64()), rows),
        **dict(zip(batch.schema.names, batch.columns, strict=True)),
    }
    arrays = [
        _exact(columns[field.name], field, delivery)
        if pa.types.is_decimal(field.type)
        else columns[field.name].cast(field.type)
        for field in schema
    ]
    typed = pa.RecordBatch.from_arrays(arrays, schema=schema)
    for left, right in PRODUCTS.get(table.name, ()):
        _check_product(typed, left, right, delivery)
    return typed


def _exact(column: pa.Array, field: pa.Field, delivery: Standing) -> pa.Array:
    """Bring decimals to the one scale of the files. Raises: LoadError where one does not fit."""
    bounds = pc.min_max(column).as_py()
    largest = max((abs(each) for each in bounds.values() if each is not None), default=_LIMIT - 1)
    try:
        if largest >= _LIMIT:  # Arrow's scaling up would wrap without a word
            raise pa.ArrowInvalid(f"{largest} has more than {INTEGER_DIGITS} digits")
        return column.cast(field.type)
    except pa.ArrowInvalid as error:
        raise LoadError(
            f"Account {delivery.account_id}, delivery {delivery.delivery_id}: {field.name} does not"
            f" fit {INTEGER_DIGITS} digits and {SCALE} decimals ({error}).",
            hint="Its line items stay in PostgreSQL alone.",
        ) from None


def _check_product(batch: pa.RecordBatch, left: str, right: str, delivery: Standing) -> None:
    """Hold the product of two columns against the type that an engine has for it.

    Raises: LoadError where a row's product has more decimals, or too many digits.
    """
    factors = (batch.column(name).cast(_FACTOR) for name in (left, right))
    try:
        product = pc.multiply(*factors).cast(_PRODUCT)
        bounds = pc.min_max(product).as_py()
        if any(abs(each) >= _LIMIT for each in bounds.values() if each is not None):
            raise pa.ArrowInvalid(f"more than {INTEGER_DIGITS} digits")
    except pa.ArrowInvalid as error:
        raise LoadError(
            f"Account {delivery.account_id}, delivery {delivery.delivery_id}: {left} times {right}"
            f" does not fit {INTEGER_DIGITS} digits and {SCALE} decimals ({error}).",
            hint="Its line items stay in PostgreSQL alone.",
        ) from None


def _publish_table(
    landing: LandingStore, name: str, rows: list[dict[str, Any]], schema: pa.Schema
) -> None:
    with _publishing(landing, name) as path:
        pq.write_table(pa.Table.from_pylist(rows, schema), path)


@contextmanager
def _publishing(landing: LandingStore, name: str) -> Iterator[Path]:
    """Give a path to write to; what is there on the way out becomes the object, as a whole."""
    with tempfile.TemporaryDirectory(dir=landing.objects.scratch) as folder:
        path = Path(folder) / "new.parquet"
        yield path
        landing.publish(path, name)
