"""Which files of a folder are the current ones of a billing month.

A folder often holds a month more than once: an open and a final file, a run a day, an old refresh
beside the new. Reading two of them would count the money twice, so versions compete, and only the
newest is read:

1. A manifest (see manifests.py) that covers the month: the newest one's files, and no others of
   its export. This is decided before anything below.
2. Else the marker in a name: final, closed, invoiced beat no marker, which beats open,
   preliminary, estimated, ...
3. Else the newest run: the time in a folder or file version (20261015T0600Z, run=2026-10-15, v2);
   folders named by a GUID compete by their newest file.

Versions compete only within a stream: paths that are equal once dates, markers, runs, part
numbers and GUIDs are taken out. Two exports in folders of their own are two streams, both are read.
Parts of one version (part-0001, part-0002; one file a day) are all read. What could be a version or
a part, and says nothing about it, is refused: files that differ in their date only and begin on the
same day (a month-to-date file a day), or in their format only.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from astraeus_pipeline.contracts.days import next_month
from astraeus_pipeline.errors import PayloadError
from astraeus_pipeline.exports.contents import MonthContents
from astraeus_pipeline.exports.store import StoredFile

_FINAL: Final = frozenset({"final", "finalized", "finalised", "closed", "invoiced"})
_OPEN: Final = frozenset(
    {"open", "preliminary", "prelim", "estimated", "estimate", "draft", "provisional", "interim"}
    | {"mtd", "unbilled"}
)
# Longer numbers are accounts, not parts.
_PART_WORDS: Final = re.compile(r"(?:part|chunk|split|segment|file|copy|snappy|gz)\d*|\d{1,8}")
_GUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}")
# A day with a time: 20261015T0600Z, 2026-10-15T09:31:29.123Z, 202610150600, 2026-10-15_06-00-00.
_STAMP: Final = re.compile(
    r"(?<!\d)20\d\d-?[01]\d-?[0-3]\d(?:"
    r"t[0-2]\d[-:]?[0-5]\d(?:[-:]?[0-5]\d)?|[0-2]\d[0-5]\d(?:[0-5]\d)?"
    r"|[ _-][0-2]\d[-:][0-5]\d(?:[-:][0-5]\d)?)(?:\.\d+)?z?(?![0-9])"
)
_RANGE: Final = re.compile(r"(20\d\d)-?([01]\d)-?([0-3]\d)[-_](20\d\d)-?([01]\d)-?([0-3]\d)")
_DAY: Final = re.compile(r"(?<!\d)20\d\d-?[01]\d-?[0-3]\d(?!\d)")
_MONTH: Final = re.compile(r"(?<!\d)(20\d\d)[-_]?([01]\d)(?!\d)")
_MONTH_KEY: Final = re.compile(
    r"(?:billing_?period|billing_?month|period|month)=(20\d\d)-?([01]\d)(?:-?01)?"
)
_YEAR_AND_MONTH: Final = re.compile(r"(?:^|/)year=(20\d\d)/month=([01]?\d)/")
_RUN_KEY: Final = re.compile(r"(?:run|run_?date|run_?id|export_?date|as_?of|snapshot|version)=(.+)")
_VERSION: Final = re.compile(r"(?:v|rev|version)(\d+)")


@dataclass(frozen=True)
class Name:
    """What a path says: its stream, its version within it, and the dates it carries."""

    stream: str
    rank: int
    run: str
    number: int
    run_id: str
    day: str

    @property
    def version(self) -> tuple[int, str, int, str]:
        """Files with an equal one belong together."""
        return (self.rank, self.run, self.number, self.run_id)


def read_name(path: str) -> Name:
    """Take a path apart, folder by folder."""
    *folders, last = path.lower().split("/")
    stem = re.sub(r"\.(csv\.gz|csv|parquet)$", "", last)
    found = _Finds()
    identity = [words for words in (found.take(each) for each in folders) if words]
    identity.append(found.take(stem, is_file=True))
    return Name(
        "/".join(identity), found.rank, found.run, found.number, found.run_id, "|".join(found.days)
    )


class _Finds:
    """Collects version and dates while a path's components are reduced to their identity."""

    def __init__(self) -> None:
        self.rank = 1
        self.run = ""
        self.number = 0
        self.run_id = ""
        self.days: list[str] = []

    def take(self, component: str, *, is_file: bool = False) -> str:
        """Note what a component says, and return the words that are left of it."""
        if found := _RUN_KEY.fullmatch(component):
            self.run = f"{self.run}{re.sub(r'[^0-9]', '', found[1]) or found[1]}"
            return "run="
        component = _MONTH_KEY.sub("", component)
        component = _RANGE.sub("", component)
        for stamp in _STAMP.findall(component):
            digits = re.sub(r"\D", "", stamp)
            if is_file:
                self.days.append(digits)
            else:
                self.run += digits.ljust(20, "0")
        component = _STAMP.sub("", component)
        for guid in _GUID.findall(component):
            self.run_id = self.run_id if is_file or self.run else guid
        component = _GUID.sub("", component)
        self.days += _DAY.findall(component)
        component = _MONTH.sub("", _DAY.sub("", component))
        words = (self._word(each) for each in re.split(r"[^0-9a-z=]+", component))
        return "-".join(each for each in words if each)

    def _word(self, word: str) -> str:
        if word in _FINAL or word in _OPEN:
            self.rank = 2 if word in _FINAL else 0
            return ""
        if found := _VERSION.fullmatch(word):
            self.number = int(found[1])
            return ""
        return "" if _PART_WORDS.fullmatch(word) else word


def month_hint(path: str) -> date | None:
    """Return the billing month that a path's folders name, None if they name none or several."""
    lower = path.lower()
    if found := _YEAR_AND_MONTH.search(lower):
        return _month(found[1], found[2])
    months = {month for each in lower.split("/")[:-1] if (month := folder_month(each))}
    return months.pop() if len(months) == 1 else None


def folder_month(folder: str) -> date | None:
    """Return the month that one folder is named by: 2026-10, a range of days in it, a Hive key.

    A range may end with the first day of the next month, as AWS's reports do.
    """
    if found := _RANGE.fullmatch(folder):
        month = _month(found[1], found[2])
        if month is None or found.group(1, 2) == found.group(4, 5):
            return month
        following = next_month(month)
        return month if "".join(found.group(4, 5, 6)) == f"{following:%Y%m%d}" else None
    if found := _MONTH_KEY.fullmatch(folder) or _MONTH.fullmatch(folder):
        return _month(found[1], found[2])
    return None


def _month(year: str, month: str) -> date | None:
    return date(int(year), int(month), 1) if 1 <= int(month) <= 12 else None


def current(files: Mapping[StoredFile, MonthContents]) -> list[StoredFile]:
    """Return the files of the current version of one month, in order, of all that hold it.

    Raises: PayloadError where versions and parts cannot be told apart.
    """
    streams: dict[str, list[StoredFile]] = defaultdict(list)
    for file in files:
        streams[read_name(file.path).stream].append(file)
    chosen = [file for each in streams.values() for file in _newest(each)]
    _refuse_formats(chosen)
    _refuse_snapshots({file: files[file] for file in chosen})
    return sorted(chosen, key=lambda file: file.path)


def _newest(files: Iterable[StoredFile]) -> list[StoredFile]:
    versions: dict[tuple[int, str, int, str], list[StoredFile]] = defaultdict(list)
    for file in files:
        versions[read_name(file.path).version].append(file)
    best = max(
        versions,
        key=lambda version: (version[:3], max(file.modified for file in versions[version])),
    )
    return versions[best]


def _refuse_formats(files: Iterable[StoredFile]) -> None:
    seen: dict[str, StoredFile] = {}
    for file in files:
        stem = re.sub(r"\.(csv\.gz|csv|parquet)$", "", file.path.lower())
        other = seen.setdefault(stem, file)
        if other is not file:
            raise PayloadError(
                f"{other.path} and {file.path} look like one file in two formats.",
                hint="Name the one to read with the account's `files` glob.",
            )


def _refuse_snapshots(files: Mapping[StoredFile, MonthContents]) -> None:
    begun: dict[tuple[str, date], tuple[StoredFile, str]] = {}
    for file, held in files.items():
        name = read_name(file.path)
        if held.first_day is None or held.first_day == held.last_day or not name.day:
            continue
        other, day = begun.setdefault((name.stream, held.first_day), (file, name.day))
        if day != name.day:
            raise PayloadError(
                f"{other.path} and {file.path} both begin with {held.first_day}: they look like "
                "two states of one month, which would count it twice.",
                hint="Put each run into a folder named by its time, mark the last one as final, or "
                "name the files to read with the account's `files` glob.",
            )
