"""The bytes of CSV, CSV.gz and Parquet files as Arrow batches of bounded size."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

from astraeus_pipeline.contracts.delivery import MediaType
from astraeus_pipeline.errors import PayloadError

# Small blocks stay in the processor's cache: 16 MiB ones were half as fast. Batches are put
# together from them, since typing 57 columns has a fixed price per batch: 4,096 rows cost 13 %
# more time than 16,384, which hold twice the memory of 8,192 (48 and 25 MB).
_BLOCK: Final = 1 << 19
_BATCH_ROWS: Final = 8192
_LARGEST_BATCH: Final = 16_384
# Parquet's batches stay dictionary-encoded, so twice the rows weigh less than a CSV's.
_PARQUET_ROWS: Final = 16_384
# A database that waits for the first rows of a file does nothing: they come in a small batch.
_FIRST_ROWS: Final = 2048
_HEADER_LIMIT: Final = 1 << 20
_DELIMITERS: Final = ",;\t|"


class EmptyFile(PayloadError):
    """A file without a single byte of content, not even a header."""


@dataclass
class BadLine:
    """A CSV line with the wrong number of cells; `number` counts the rows after the header."""

    number: int
    text: str
    cells: int
    expected: int

    @property
    def reason(self) -> str:
        """What is wrong with it."""
        return f"{self.cells} cells where the header has {self.expected}"


@dataclass
class Table:
    """One open file: its header, its batches (once), and the lines that are no rows."""

    names: list[str]
    batches: Iterator[pa.RecordBatch]
    bad_lines: list[BadLine] = field(default_factory=list)


def open_table(
    handle: BinaryIO, media_type: MediaType, file: str, only: Collection[str] | None = None
) -> Table:
    """Open a file of the given type; `only` names the columns to read (default all).

    CSV cells come as strings, Parquet's in their own types; batches hold 8 to 16 thousand rows,
    the first of them less.
    Raises: PayloadError, here or while iterating, if the file is cut off or not of its type.
    """
    if media_type == "parquet":
        table = _open_parquet(handle, file, only)
    else:
        table = _open_csv(handle, media_type, file, only)
    table.batches = _begun_small(table.batches)
    return table


def _begun_small(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch.slice(0, _FIRST_ROWS)
        if batch.num_rows > _FIRST_ROWS:
            yield batch.slice(_FIRST_ROWS)
        break
    yield from batches


@dataclass(frozen=True)
class OpenFile:
    """A file that can be read again and again; `open` gives its bytes, wherever they lie."""

    name: str
    media_type: MediaType
    open: Callable[[], AbstractContextManager[BinaryIO]]

    @contextmanager
    def read(self, only: Collection[str] | None = None) -> Iterator[Table]:
        """Open it as a table. Raises: as `open_table`."""
        with self.open() as handle:
            yield open_table(handle, self.media_type, self.name, only)


def _open_parquet(handle: BinaryIO, file: str, only: Collection[str] | None) -> Table:
    try:
        file_ = pa.PythonFile(handle, mode="r")
        schema = pq.read_schema(file_)
        source = pq.ParquetFile(
            file_,
            pre_buffer=False,
            read_dictionary=[each.name for each in schema if pa.types.is_string(each.type)],
        )
        names = list(source.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, "Parquet", error) from error
    columns = None if only is None else [name for name in names if name in only]

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for batch in source.iter_batches(_PARQUET_ROWS, columns=columns, use_threads=False):
                yield pa.RecordBatch.from_arrays(
                    [_compact(each) for each in batch], batch.schema.names
                )
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(file, "Parquet", error) from error

    return Table(columns if columns is not None else names, batches())


def _compact(column: pa.Array) -> pa.Array:
    """Spell out a column whose dictionary (of a whole row group) outweighs the batch's rows."""
    if pa.types.is_dictionary(column.type) and len(column.dictionary) * 2 > len(column):
        return column.dictionary_decode()
    return column


def _open_csv(
    handle: BinaryIO, media_type: MediaType, file: str, only: Collection[str] | None
) -> Table:
    stream = _Stream(handle, is_gzip=media_type == "csv.gz", file=file)
    names, delimiter = _read_header(stream.take_line(), file)
    columns = names if only is None else [name for name in names if name in only]
    table = Table(columns, iter(()))
    if not stream.is_at_end():
        table.batches = _coalesce(_csv_batches(stream, names, columns, delimiter, table))
    return table


def _csv_batches(
    stream: _Stream, names: list[str], columns: list[str], delimiter: str, table: Table
) -> Iterator[pa.RecordBatch]:
    # Positions as names: a file may repeat a name, and Arrow would mix the two up.
    keys = [str(position) for position in range(len(names))]
    wanted = [key for key, name in zip(keys, names, strict=True) if name in set(columns)]

    def skip(row: pv.InvalidRow) -> str:
        table.bad_lines.append(
            BadLine(row.number or 0, row.text, row.actual_columns, row.expected_columns)
        )
        return "skip"

    try:
        reader = pv.open_csv(
            pa.PythonFile(stream, mode="r"),
            read_options=pv.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=keys),
            parse_options=pv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip
            ),
            convert_options=pv.ConvertOptions(
                column_types=dict.fromkeys(keys, pa.string()),
                include_columns=wanted,
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
        for batch in reader:
            yield pa.RecordBatch.from_arrays(batch.columns, names=columns)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(stream.file, "CSV", error) from error
    if stream.is_cut_off:
        raise PayloadError(f"{stream.file} is cut off: its last quoted cell does not end.")


def _coalesce(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        if rows >= _BATCH_ROWS:
            whole, held, rows = pa.concat_batches(held), [], 0
            yield from _pieces(whole)
    if held:
        yield from _pieces(pa.concat_batches(held))


def _pieces(whole: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, whole.num_rows, _LARGEST_BATCH):
        yield whole.slice(start, _LARGEST_BATCH)


def _read_header(line: bytes, file: str) -> tuple[list[str], str]:
    try:
        text = line.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError as error:
        raise PayloadError(
            f"{file} is not a UTF-8 text: its header cannot be read.", hint="Export it as UTF-8."
        ) from error
    if not text.strip():
        raise EmptyFile(f"{file} is empty: it has not even a header.")
    delimiter = max(_DELIMITERS, key=text.count)
    try:
        return next(csv.reader([text], delimiter=delimiter)), delimiter
    except csv.Error as error:
        raise _unreadable(file, "CSV", error) from error


def _unreadable(file: str, kind: str, error: Exception) -> PayloadError:
    return PayloadError(f"{file} is cut off or no {kind} file: {error}.")


class _Stream:
    """A readable of the rows after the header, which notices when the text ends inside quotes."""

    def __init__(self, handle: BinaryIO, *, is_gzip: bool, file: str) -> None:
        source = pa.PythonFile(handle, mode="r")
        self._source = pa.CompressedInputStream(source, "gzip") if is_gzip else source
        self._ahead = b""
        self._quotes = 0
        self._last = b"\n"
        self.file = file
        self.closed = False

    @property
    def is_cut_off(self) -> bool:
        """Whether a quote was left open; a whole file ends with a line end or an even number."""
        return self._quotes % 2 == 1 and self._last != b"\n"

    def take_line(self) -> bytes:
        """Read the first line, with its end."""
        while b"\n" not in self._ahead and len(self._ahead) < _HEADER_LIMIT:
            chunk = self._read(_BLOCK)
            if not chunk:
                break
            self._ahead += chunk
        line, end, self._ahead = self._ahead.partition(b"\n")
        return line + end

    def is_at_end(self) -> bool:
        """Whether no row follows."""
        while not self._ahead.strip():
            chunk = self._read(_BLOCK)
            if not chunk:
                return True
            self._ahead = chunk
        return False

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, as Arrow asks for them."""
        if self._ahead:
            chunk, self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            chunk = self._read(size)
        if chunk:
            self._quotes += chunk.count(b'"')
            self._last = chunk[-1:]
        return chunk

    def readable(self) -> bool:
        """Say so to Arrow."""
        return True

    def close(self) -> None:
        """Do nothing: who opened the handle closes it."""
        self.closed = True

    def _read(self, size: int) -> bytes:
        try:
            return bytes(self._source.read(size))
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.file, "CSV", error) from error
