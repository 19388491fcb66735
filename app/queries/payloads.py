"""What a provider sent, as it is stored: the parts of a delivery and the head of each."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any, Final

import pyarrow.parquet as pq

from astraeus_pipeline.contracts.delivery import Fetched, Part
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.landing import LandingStore

HEAD_ROWS: Final = 20
_LINE: Final = 2_000  # characters; an answer of an API may be one line of megabytes


def manifest(uri: str) -> Fetched:
    """Return what a delivery's stored manifest says. Raises: LoadError if it is not there."""
    return _store().read_manifest(uri)


def location(part: Part) -> str:
    """Spell out where a part lies."""
    return _store().location(part.uri)


def head(part: Part, rows: int = HEAD_ROWS, start: int = 1) -> list[dict[str, str]]:
    """Return rows of a part as text by column, from row `start` on (1 is the first).

    Lines of JSON have one column, `line`, cut after 2,000 characters.
    Raises: LoadError if the store does not hold the part.
    """
    with _store().open(part) as handle:
        found = _rows(part, handle)
        return list(islice(found, start - 1, start - 1 + rows))


def _rows(part: Part, handle: IO[bytes]) -> Iterator[dict[str, str]]:
    if part.media_type == "parquet":
        yield from _parquet(handle)
        return
    binary: Any = gzip.GzipFile(fileobj=handle) if part.media_type == "csv.gz" else handle
    text = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace", newline="")
    if part.media_type == "jsonl":
        for line in text:
            yield {"line": line.rstrip("\n")[:_LINE]}
        return
    for row in csv.DictReader(text, restkey="beyond the header", restval=""):
        yield {str(name): str(value) for name, value in row.items()}


def _parquet(handle: IO[bytes]) -> Iterator[dict[str, str]]:
    for batch in pq.ParquetFile(handle).iter_batches(batch_size=HEAD_ROWS):
        for row in batch.to_pylist():
            yield {name: "" if value is None else str(value) for name, value in row.items()}


def _store() -> LandingStore:
    return LandingStore.from_settings(Settings.from_env())
