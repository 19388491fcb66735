"""Arrow batches into raw tables by binary COPY, encoding in a thread beside the server's work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeVar

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from pgpq import ArrowToPostgresBinaryEncoder
from pgpq.encoders import StringEncoderBuilder
from pgpq.schema import Jsonb
from psycopg import sql

from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.warehouse import ddl

T = TypeVar("T")

# Binary COPY framing, PostgreSQL manual, COPY, "Binary Format".
_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER: Final = b"\xff\xff"
# Encoding holds the interpreter lock, and the sending thread must get it before the server has
# drained the socket: pieces of 4,096 rows (3 MB) take 8 ms and a tenth less time in all than whole
# batches of 16,384; smaller ones show the encoder's own set-up.
_PIECE_ROWS: Final = 4096
_QUEUE_DEPTH: Final = 2


@dataclass(frozen=True)
class RowOwner:
    """The values that the loader puts in front of every row."""

    account_id: str
    delivery_id: int


@dataclass(frozen=True)
class _Encoded:
    """One encoded piece of a batch: its columns, and the months that its rows lie in."""

    months: frozenset[date]
    columns: tuple[str, ...]
    data: memoryview

    def goes_with(self, other: _Encoded) -> bool:
        """Whether one COPY statement takes both."""
        return self.months == other.months and self.columns == other.columns


def copy_batches(
    conn: psycopg.Connection, table: RawTable, owner: RowOwner, batches: Iterable[pa.RecordBatch]
) -> None:
    """Append the batches to the raw table, each to its monthly leaf.

    Parsing (the iterator) and encoding run in a second thread, bounded to a few batches.
    Raises: whatever the iterator raises, and psycopg.Error.
    """
    encoded = _ahead(map(_Encoder(table, owner).encode, _pieces(batches)))
    try:
        _send(conn, table, encoded)
    finally:
        encoded.close()


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        # A file fills 40 to 50 of the contract's columns; the others need not be sent as nulls.
        batch = batch.select(
            [at for at, column in enumerate(batch) if column.null_count < len(column)]
        )
        for first in range(0, batch.num_rows, _PIECE_ROWS):
            yield batch.slice(first, _PIECE_ROWS)


def _send(conn: psycopg.Connection, table: RawTable, encoded: Iterator[_Encoded]) -> None:
    current = next(encoded, None)
    while current is not None:
        first = current
        ddl.ensure_months(conn, table, first.months)
        with conn.cursor().copy(_statement(_target(table, first.months), first.columns)) as copy:
            copy.write(_HEADER)
            while current is not None and current.goes_with(first):
                copy.write(current.data)
                current = next(encoded, None)
            copy.write(_TRAILER)


def _target(table: RawTable, months: frozenset[date]) -> str:
    """Return the one leaf that takes all rows, or the parent, which is slower but routes them."""
    return ddl.leaf_name(table, min(months)) if len(months) == 1 else table.name


def _statement(target: str, columns: tuple[str, ...]) -> sql.Composed:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("copy {} ({}) from stdin (format binary)").format(
        sql.Identifier("raw", target), names
    )


class _Encoder:
    """Encodes the batches of one COPY as bare tuples, without its framing."""

    def __init__(self, table: RawTable, owner: RowOwner) -> None:
        self._table, self._owner = table, owner
        self._builders: dict[pa.Schema, dict[str, Any]] = {}

    def encode(self, batch: pa.RecordBatch) -> _Encoded:
        rows = batch.num_rows
        arrays = {
            "account_id": pa.repeat(pa.scalar(self._owner.account_id), rows),
            "delivery_id": pa.repeat(pa.scalar(self._owner.delivery_id, pa.int64()), rows),
            **{
                name: _plain(column)
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            },
        }
        full = pa.record_batch(
            {each.name: arrays[each.name] for each in self._table.columns if each.name in arrays}
        )
        # An encoder holds back bytes until it is finished, so each batch has one of its own.
        encoder = ArrowToPostgresBinaryEncoder.new_with_encoders(
            full.schema, self._columns(full.schema)
        )
        stream = b"".join((encoder.write_header(), encoder.write_batch(full), encoder.finish()))
        data = memoryview(stream)[len(_HEADER) : -len(_TRAILER)]
        return _Encoded(_months(batch), tuple(full.schema.names), data)

    def _columns(self, schema: pa.Schema) -> dict[str, Any]:
        """Return the column encoders of a schema; the scales of decimals vary between batches."""
        if schema not in self._builders:
            jsonb = {column.name for column in self._table.columns if column.type == "jsonb"}
            self._builders[schema] = {
                field.name: StringEncoderBuilder.new_with_output(field, Jsonb())
                if field.name in jsonb
                else ArrowToPostgresBinaryEncoder.infer_encoder(field)
                for field in schema
            }
        return self._builders[schema]


def _plain(column: pa.Array) -> pa.Array:
    """Spell out dictionary-encoded text, which the encoder does not know."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _months(batch: pa.RecordBatch) -> frozenset[date]:
    bounds = pc.min_max(batch.column("usage_date")).as_py()
    first, last = bounds["min"].replace(day=1), bounds["max"].replace(day=1)
    if first == last:
        return frozenset((first,))
    return frozenset(day.replace(day=1) for day in batch.column("usage_date").unique().to_pylist())


def _ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """Run the iterator in a thread, at most a few items ahead of the consumer."""
    line: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(_QUEUE_DEPTH)
    is_over = threading.Event()

    def put(item: T | None, error: BaseException | None) -> None:
        while not is_over.is_set():
            try:
                line.put((item, error), timeout=0.2)
            except queue.Full:
                continue
            return

    def produce() -> None:
        try:
            for item in items:
                put(item, None)
                if is_over.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - handed over and raised by the consumer
            put(None, error)
        else:
            put(None, None)

    thread = threading.Thread(target=produce, name="astraeus-encode", daemon=True)
    thread.start()
    try:
        while True:
            item, error = line.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    finally:
        is_over.set()
        thread.join()
