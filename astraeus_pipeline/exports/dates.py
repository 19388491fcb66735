"""Times as FOCUS files spell them, and which way round their slashed dates are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final, Literal

DateOrder = Literal["month_first", "day_first"]

# Outside of these years a date is a mistake, and would open partitions that nobody wants.
FIRST_DAY: Final = date(2000, 1, 1)
LAST_DAY: Final = date(2100, 1, 1)

_ISO: Final = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d+))?)?"
    r" ?(Z|z|UTC|[+-]\d\d(?::?\d\d)?)?"
)
_SLASHED: Final = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4})(?:[T ](\d{1,2}):(\d\d)(?::(\d\d)(?:\.0+)?)?(?: ?([AaPp])[Mm])?)?"
    r" ?(?:Z|UTC|\+00:?00)?"
)


class AmbiguousOrder(Exception):
    """A slashed date was met, and nothing says which of its numbers is the month."""


def parse(text: str, order: DateOrder | None) -> datetime | None:
    """Return the UTC time that a text spells, None if it spells none.

    ISO 8601 with Z, offset or without zone (taken as UTC), a blank for the T, a date alone, and
    MM/DD/YYYY or DD/MM/YYYY with an optional time. Fractions beyond microseconds are cut.
    Raises: AmbiguousOrder for a slashed date if `order` is None.
    """
    if found := _ISO.fullmatch(text):
        return _from_iso(found)
    if found := _SLASHED.fullmatch(text):
        if order is None:
            raise AmbiguousOrder
        return _from_slashed(found, order)
    return None


def infer_order(texts: Iterable[str]) -> DateOrder | None:
    """Tell the order of slashed dates from the numbers above 12 among them, None if unclear.

    Contradicting texts (13/01/2026 and 01/13/2026) are unclear too.
    """
    day_first = month_first = False
    for text in texts:
        if found := _SLASHED.fullmatch(text.strip()):
            day_first |= int(found[1]) > 12
            month_first |= int(found[2]) > 12
    if day_first == month_first:
        return None
    return "day_first" if day_first else "month_first"


def _from_iso(found: re.Match[str]) -> datetime | None:
    year, month, day, clock, fraction, zone = found.groups()
    text = f"{year}-{month}-{day}T{clock or '00:00'}"
    if fraction:
        text += f".{fraction[:6].ljust(6, '0')}"
    try:
        time = datetime.fromisoformat(
            text + ("+00:00" if zone in (None, "Z", "z", "UTC") else zone)
        )
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _from_slashed(found: re.Match[str], order: DateOrder) -> datetime | None:
    first, second, year = int(found[1]), int(found[2]), int(found[3])
    month, day = (first, second) if order == "month_first" else (second, first)
    hour, half = int(found[4] or 0), (found[7] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        return datetime(year, month, day, hour, int(found[5] or 0), int(found[6] or 0), tzinfo=UTC)
    except ValueError:
        return None
