"""What a provider sent, as it is stored: the parts of a delivery and the head of each."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from astraeus_pipeline.contracts.delivery import Fetched, Part
from astraeus_pipeline.errors import LoadError
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.landing import LandingStore

HEAD_ROWS: Final = 20
_LINE: Final = 2_000  # characters; an answer of an API may be one line of megabytes
_BEYOND: Final = "beyond the header"
_LONGEST: Final = 1 << 20  # characters of a line of CSV: of a longer one no row is made
# What is said of bytes that are not what their name says, or not all of it.
_UNREADABLE: Final = (
    *(csv.Error, EOFError, gzip.BadGzipFile, zlib.error),
    *(pa.ArrowException, zstandard.ZstdError),
)


def manifest(uri: str) -> Fetched:
    """Return what a delivery's stored manifest says. Raises: LoadError if it is not there."""
    return _store().read_manifest(uri)


def location(part: Part) -> str:
    """Spell out where a part lies."""
    return _store().location(part.uri)


def head(part: Part, rows: int = HEAD_ROWS, start: int = 1) -> list[dict[str, str]]:
    """Return rows of a part as text by column, from row `start` on (1 is the first).

    Lines of JSON have one column, `line`, cut after 2,000 characters.
    Raises: LoadError if the store does not hold the part, or no rows can be made of it.
    """
    with _store().open(part) as handle:
        found = _rows(part, handle)
        try:
            return list(islice(found, start - 1, start - 1 + rows))
        except _UNREADABLE as error:
            raise LoadError(
                f"{part.name} cannot be shown as rows of {part.media_type}: {error!s:.300}.",
                hint="Its bytes are kept as they came; read them where they lie.",
            ) from error


def _rows(part: Part, handle: IO[bytes]) -> Iterator[dict[str, str]]:
    if part.media_type == "parquet":
        yield from _parquet(handle)
        return
    binary: Any = gzip.GzipFile(fileobj=handle) if part.media_type == "csv.gz" else handle
    text = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace", newline="")
    if part.media_type == "jsonl":
        yield from ({"line": line} for line in _cut(text))
        return
    yield from _csv(text)


def _cut(text: io.TextIOWrapper) -> Iterator[str]:
    """Yield the beginning of each line, of which no more is held than that."""
    while piece := text.readline(_LINE):
        yield piece.rstrip("\n")
        while piece and not piece.endswith("\n"):
            piece = text.readline(_LONGEST)


def _csv(text: io.TextIOWrapper) -> Iterator[dict[str, str]]:
    """Yield rows by column; cells that are missing are empty, a name that is repeated is counted.

    Raises: csv.Error.
    """
    lines = csv.reader(_bounded(text))
    seen: Counter[str] = Counter()
    names = []
    for name in next(lines, []):
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    for cells in lines:
        if not cells:
            continue
        row = dict(zip(names, cells + [""] * (len(names) - len(cells)), strict=False))
        yield row | ({_BEYOND: str(cells[len(names) :])} if len(cells) > len(names) else {})


def _bounded(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(_LONGEST):
        if len(line) == _LONGEST:
            raise csv.Error(f"a line is longer than {_LONGEST:,} characters")
        yield line


def _parquet(handle: IO[bytes]) -> Iterator[dict[str, str]]:
    for batch in pq.ParquetFile(handle).iter_batches(batch_size=HEAD_ROWS):
        for row in batch.to_pylist():
            yield {name: "" if value is None else str(value) for name, value in row.items()}


def _store() -> LandingStore:
    return LandingStore.from_settings(Settings.from_env())
