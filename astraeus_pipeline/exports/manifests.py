"""Manifests: lists of the files that belong to one run of an export, by those who wrote them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from astraeus_pipeline.errors import PayloadError
from astraeus_pipeline.exports import dates
from astraeus_pipeline.exports.store import StoredFile
from astraeus_pipeline.exports.versions import folder_month, month_hint, read_name


class Entry(NamedTuple):
    """A file that a manifest names; its bytes and rows, None where they are not announced."""

    name: str
    bytes: int | None
    rows: int | None


class Total(NamedTuple):
    """What a manifest says that its files sum to, on a day or (None) altogether."""

    day: date | None
    currency: str
    cost_type: str
    amount: Decimal


_UNREADABLE: Final = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError)
_DIGITS: Final = 18
_LONGEST: Final = 2_048


@dataclass(frozen=True)
class Manifest:
    """One run: its files with the rows announced for each (None if not), and where it governs.

    `scope` is the export's folder: files in it that no manifest of the month lists are old.
    `totals` are what a plain manifest states in "totals": [{"day": "2026-10-05", "currency": "USD",
    "BilledCost": "12.50"}], amounts as text or numbers.
    """

    path: str
    scope: str
    written: datetime
    month: date | None
    files: Mapping[StoredFile, int | None]
    totals: tuple[Total, ...] = ()

    def governs(self, file: StoredFile) -> bool:
        """Whether a file lies in this manifest's export."""
        return not self.scope or file.path.startswith(f"{self.scope}/")


def is_manifest(file: StoredFile) -> bool:
    """Whether a file is a manifest by its name: manifest.json, <export>-Manifest.json."""
    return file.path.lower().endswith("manifest.json")


def parse(file: StoredFile, text: bytes, listing: Iterable[StoredFile]) -> Manifest:
    """Read a manifest and find the files that it names.

    AWS Data Exports name dataFiles, AWS's legacy reports reportKeys, Azure's exports blobs, and a
    plain manifest files.
    Raises: PayloadError if it is none of these, or names a file that is absent or of another size.
    """
    document, entries = read(file, text)
    present = {each.path: each for each in listing}
    files = {
        _resolve(name, size, file, present): rows
        for name, size, rows in entries
        if not name.endswith("/")
    }
    return Manifest(
        file.path,
        _scope(file.path),
        _written(document, file),
        _month(document, file),
        files,
        tuple(_totals(document, file)),
    )


def read(file: StoredFile, text: bytes) -> tuple[Any, list[Entry]]:
    """Return a manifest's document, and what it says of each of its files.

    Raises: PayloadError if it is none of the known kinds, or names less files than it announces.
    """
    try:
        document = json.loads(text, parse_float=Decimal)
        entries = [Entry(_named(name), size, rows) for name, size, rows in _entries(document)]
        if not isinstance(document.get("runInfo") or {}, dict):
            raise TypeError("its runInfo is no object")
        return document, entries
    # RecursionError: of a document that is nested as no manifest is.
    except (*_UNREADABLE, RecursionError) as error:
        raise PayloadError(
            f"{file.path} is not a manifest that can be read: {repr(error)[:300]}."
        ) from error


def _entries(document: Any) -> Iterator[tuple[str, int | None, int | None]]:
    if "dataFiles" in document:
        yield from ((name, None, None) for name in _list(document["dataFiles"]))
    elif "reportKeys" in document:
        yield from ((name, None, None) for name in _list(document["reportKeys"]))
    elif "blobs" in document:
        announced, blobs = _number(document.get("blobCount")), _list(document["blobs"])
        if announced is not None and announced != len(blobs):
            raise ValueError(f"it announces {announced} files and names {len(blobs)}")
        for blob in blobs:
            yield (
                blob["blobName"],
                _number(blob.get("byteCount")),
                _number(blob.get("dataRowCount")),
            )
    else:
        for each in _list(document["files"]):
            entry = {"path": each} if isinstance(each, str) else each
            name = entry.get("path") or entry["name"]
            yield name, _number(entry.get("bytes")), _number(entry.get("rows"))


def _list(value: Any) -> list[Any]:
    """Return a list. Raises: TypeError for a text or an object, which Python goes through, too."""
    if not isinstance(value, list):
        raise TypeError(f"{str(value)[:80]!r} is no list")
    return value


def _totals(document: Any, file: StoredFile) -> Iterator[Total]:
    """Yield the totals that a plain manifest states.

    Raises: PayloadError for one that cannot be read: an unread total must not pass as none.
    """
    try:
        for stated in document.get("totals") or ():
            day = date.fromisoformat(stated["day"]) if stated.get("day") else None
            for name, amount in stated.items():
                if name not in ("day", "currency") and amount is not None:
                    cost_type = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
                    yield Total(day, stated["currency"], cost_type, Decimal(str(amount)))
    except _UNREADABLE as error:
        raise PayloadError(f"{file.path}: its totals cannot be read: {error!r}.") from error


def _number(value: Any) -> int | None:
    """Return a count. Raises: ValueError for one of more digits than any file has bytes."""
    if value is None:
        return None
    # As a number first: int() would write out every digit of 1E+999999999.
    if isinstance(value, Decimal) and value.adjusted() > _DIGITS:
        raise ValueError(f"{value} is no count")
    return int(value)


def _named(name: Any) -> str:
    """Return a file's name. Raises: TypeError, ValueError for what no store can have."""
    if not isinstance(name, str):
        raise TypeError(f"{name!r} is no name of a file")
    if len(name.encode()) > _LONGEST or "\x00" in name:  # encode: half a surrogate is no text
        raise ValueError("a file's name is longer than any store's, or has a NUL")
    return name


def _resolve(
    name: str, size: int | None, manifest: StoredFile, present: Mapping[str, StoredFile]
) -> StoredFile:
    """Find a listed file: beside the manifest, else by its path in the bucket or container."""
    path = name.partition("://")[2] or name
    folder = manifest.path.rpartition("/")[0]
    steps = path.lstrip("/").split("/")
    candidates = [
        f"{folder}/{path}".lstrip("/"),
        *("/".join(steps[start:]) for start in range(len(steps))),
        f"{folder}/{steps[-1]}".lstrip("/"),
    ]
    found = next((present[each] for each in candidates if each in present), None)
    if found is None:
        raise PayloadError(f"{manifest.path} lists {name}, which is not there.")
    if size is not None and size != found.size:
        raise PayloadError(
            f"{found.path} has {found.size} bytes where {manifest.path} announces {size}.",
            hint="It is cut off or still being written: fetch again later.",
        )
    return found


def _scope(path: str) -> str:
    folders = path.split("/")[:-1]
    if "metadata" in folders:  # AWS keeps manifests in metadata/ beside data/
        return "/".join(folders[: folders.index("metadata")])
    dated = [at for at, folder in enumerate(folders) if folder_month(folder.lower())]
    if dated:
        return "/".join(folders[: dated[0]])
    while folders and read_name(f"{folders[-1]}/x.csv").stream in {"x", "run=/x"}:
        folders.pop()
    return "/".join(folders)


def _written(document: Any, file: StoredFile) -> datetime:
    run = document.get("runInfo") or document
    stated = dates.parse(str(run.get("submittedTime") or run.get("created") or ""), None)
    return stated or file.modified


def _month(document: Any, file: StoredFile) -> date | None:
    start = str((document.get("runInfo") or {}).get("startDate") or "")
    stated = dates.parse(start, None) if start else None
    if stated is not None:
        try:
            return stated.astimezone(UTC).date().replace(day=1)
        except OverflowError:
            raise PayloadError(f"{file.path} is of {start}, which is no month.") from None
    return month_hint(file.path)
