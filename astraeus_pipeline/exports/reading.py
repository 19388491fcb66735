"""From a delivery's stored parts to typed batches; needs nothing but what the delivery holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from typing import Final

import pyarrow as pa

from astraeus_pipeline.contracts.delivery import Fetched, Landing, Part, Reject, RowBatch
from astraeus_pipeline.errors import PayloadError, TransientError
from astraeus_pipeline.exports import contents, dates, records
from astraeus_pipeline.exports.cells import Notes
from astraeus_pipeline.exports.dates import DateOrder
from astraeus_pipeline.exports.dialect import Dialect
from astraeus_pipeline.exports.store import Store, StoredFile
from astraeus_pipeline.exports.tables import BadLine, OpenFile, Table

# How to read slashed dates is part of the payload: a delivery must read the same in a year,
# whatever the account's configuration says by then.
_OPTIONS: Final = "reading.json"
_KEPT_TEXT: Final = 2_000


def land(store: Store, file: StoredFile, landing: Landing) -> Part:
    """Store a file, and make sure that it is still the one that was looked into.

    A file whose version (ETag) was stored before is not fetched again.
    Raises: TransientError if it changed meanwhile, or fewer bytes came than announced.
    """
    assert file.media_type is not None  # noqa: S101  # selection yields no others
    source = f"{store.url}|{file.path}|{file.size}|{file.version}"
    if file.version and (known := landing.recall(source)):
        return known
    part = landing.put(file.path, store.chunks(file), file.media_type)
    if store.stat(file) != file:
        raise TransientError(f"{store.url} ({file.path}) changed while it was read.")
    if file.version:
        landing.remember(source, part)
    return part


def with_order(
    parts: tuple[Part, ...], order: DateOrder | None, landing: Landing
) -> tuple[Part, ...]:
    """Put the configured date order in front of the parts, if there is one."""
    if order is None:
        return parts
    options = json.dumps({"date_order": order}).encode()
    return (landing.put(_OPTIONS, [options], "jsonl"), *parts)


def rows(
    fetched: Fetched, landing: Landing, choose: Callable[[Part], Dialect]
) -> Generator[RowBatch, None, Notes]:
    """Yield the typed batches of all parts and return what was normalised.

    `choose` gives the dialect of a part (by its name, or always the same); all of a delivery's
    dialects have the same raw table. `row_number` counts the rows of all parts, those of other
    billing months and those that are not kept included.
    Raises: PayloadError if a part is cut off, or not what its name says.
    """
    given, files = _options(fetched.parts, landing)
    notes, number = Notes(), 1
    for part in files:
        number = yield from _part_rows(part, choose(part), fetched, landing, given, notes, number)
    return notes


def _options(
    parts: tuple[Part, ...], landing: Landing
) -> tuple[DateOrder | None, tuple[Part, ...]]:
    if not parts or parts[0].name != _OPTIONS:
        return None, parts
    with landing.open(parts[0]) as handle:
        order: DateOrder = json.loads(handle.read())["date_order"]
        return order, parts[1:]


def _part_rows(
    part: Part,
    dialect: Dialect,
    fetched: Fetched,
    landing: Landing,
    given: DateOrder | None,
    notes: Notes,
    number: int,
) -> Generator[RowBatch, None, int]:
    file = OpenFile(part.name, part.media_type, lambda: landing.open(part))
    with file.read() as table:
        header = dialect.match(table.names, part.name)
        typer = records.Typer(dialect, part.name, header, fetched.billing_period, given, notes)
        first = number
        for batch in table.batches:
            yield from _typed(typer, batch, number, file)
            number += batch.num_rows
        if table.bad_lines:
            yield _bad_lines(table, dialect, part.name, first, rows=number - first)
    return number + len(table.bad_lines)


def _typed(
    typer: records.Typer, batch: pa.RecordBatch, number: int, file: OpenFile
) -> Generator[RowBatch, None, None]:
    try:
        yield from typer.type(batch, number)
    except dates.AmbiguousOrder:
        typer.order = contents.decide_order(file, None, typer.dialect)
        yield from typer.type(batch, number)


def _bad_lines(table: Table, dialect: Dialect, file: str, first: int, rows: int) -> RowBatch:
    """Reject the lines that are no rows; one at the very end means that the file is cut off."""
    last = table.bad_lines[-1]
    if last.number >= rows + len(table.bad_lines) and last.cells < last.expected:
        raise PayloadError(f"{file} is cut off: its last line has {last.reason}.")
    rejects = tuple(_reject(line, first) for line in table.bad_lines)
    return RowBatch(pa.RecordBatch.from_pylist([], schema=dialect.table.row_schema), rejects)


def _reject(line: BadLine, first: int) -> Reject:
    return Reject(first + line.number - 1, line.text[:_KEPT_TEXT], f"The line has {line.reason}")
