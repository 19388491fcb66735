"""Tables of CSV and XLSX, read exactly and without any model."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from app.assistant.attachments import printed
from app.assistant.attachments.columns import Columns, Meaning, columns_of
from app.assistant.attachments.readings import EXACTLY, Line, Reading
from astraeus_pipeline.errors import ConfigError

MOST_LINES: Final = 20_000
MOST_COLUMNS: Final = 500
_LONGEST_CELL: Final = 100_000
# Exports may begin with words about themselves.
_ROWS_BEFORE: Final = 20
_DELIMITERS: Final = ",;\t|"
_KEPT: Final = 200
_SUMS: Final = frozenset(
    {"total", "grand total", "subtotal", "sub-total", "sum", "summe", "gesamt"}
)
_ISO: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?.*)?")
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")
_SLASHED: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: .*)?")
_DOTTED: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")


def rows_of(content: bytes) -> list[list[str]]:
    """Return the rows of a CSV, by the delimiter that its lines agree on.

    Raises: ConfigError for a file that is none, or too long.
    """
    text = _decoded(content)
    best: list[list[str]] = []
    for delimiter in _DELIMITERS:
        rows = _split(text, delimiter)
        if any(columns_of(row) for row in rows[:_ROWS_BEFORE]) and len(
            max(rows, key=len, default=[])
        ) > len(max(best, key=len, default=[])):
            best = rows
    return best


def _split(text: str, delimiter: str) -> list[list[str]]:
    csv.field_size_limit(_LONGEST_CELL)
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if len(rows) > MOST_LINES + _ROWS_BEFORE:
                raise ConfigError(
                    f"The table has more than {MOST_LINES:,} rows.",
                    hint="Attach sums by service or by day.",
                )
            if len(row) > MOST_COLUMNS:
                return []
            rows.append(row)
    except csv.Error:
        return []
    return rows


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ConfigError("The text of the file cannot be read.", hint="Save it as UTF-8.")


def reading_of(rows: Sequence[Sequence[str]]) -> Reading:
    """Return what a table says: the first row that names an amount is its heading.

    Raises: ConfigError where no column is an amount, or there are too many rows.
    """
    found = next(
        (
            (place, columns)
            for place, row in enumerate(rows[:_ROWS_BEFORE])
            if (columns := columns_of(row)) is not None
        ),
        None,
    )
    if found is None:
        raise ConfigError(
            "No column of the table is known to be an amount.",
            hint="Name one BilledCost, Cost or Amount, best beside Currency, Service and Date.",
        )
    place, columns = found
    body = [row for row in rows[place + 1 :] if any(each.strip() for each in row)]
    if len(body) > MOST_LINES:
        raise ConfigError(
            f"The table has more than {MOST_LINES:,} rows.",
            hint="Attach sums by service or by day.",
        )
    texts = [_cell(row, columns, "amount") or "" for row in body]
    mark = "." if columns.is_of_program else printed.mark_of(texts)
    is_day_first = _is_day_first([_cell(row, columns, "first") for row in body])
    lines = tuple(
        _line(number, row, columns, mark, is_day_first) for number, row in enumerate(body, 1)
    )
    return Reading(kind="export", read_by=EXACTLY, lines=lines, notes=_notes(columns, mark))


def _line(
    number: int,
    row: Sequence[str],
    columns: Columns,
    mark: printed.Mark | None,
    is_day_first: bool | None,
) -> Line:
    text = _cell(row, columns, "amount") or ""
    amount = printed.read(text, mark)
    currency = printed.currency_of(_cell(row, columns, "currency") or columns.currency)
    doubt = amount.doubt
    if amount.currency and currency and amount.currency != currency:
        doubt = "it names two currencies"
    first = _day(_cell(row, columns, "first"), is_day_first)
    last = _last(_cell(row, columns, "last"), first, columns, is_day_first)
    words = [each.strip().casefold().rstrip(":") for each in row if each.strip()]
    return Line(
        number=number,
        text=_named(row, columns, "text"),
        service=_named(row, columns, "service"),
        account=_named(row, columns, "account"),
        provider=_named(row, columns, "provider"),
        first_day=first,
        last_day=last,
        amount=None if doubt else amount.amount,
        printed=text[:_KEPT],
        currency=amount.currency or currency,
        kind="total" if words and words[0] in _SUMS else "charge",
        doubt=doubt,
    )


def _cell(row: Sequence[str], columns: Columns, meaning: Meaning) -> str | None:
    place = columns.places.get(meaning)
    if place is None or place >= len(row):
        return None
    return row[place].strip() or None


def _named(row: Sequence[str], columns: Columns, meaning: Meaning) -> str | None:
    # Our own exports put an apostrophe before what a spreadsheet would run.
    cell = _cell(row, columns, meaning)
    if cell and len(cell) > 1 and cell[0] == "'" and cell[1] in "=+-@":
        cell = cell[1:]
    return cell[:_KEPT] if cell else None


def _day(text: str | None, is_day_first: bool | None) -> date | None:
    """Return the day of a text; None for one that may be two days."""
    if text is None:
        return None
    try:
        if found := _ISO.fullmatch(text):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := _MONTH.fullmatch(text):
            return date(int(found[1]), int(found[2]), 1)
        if found := _DOTTED.fullmatch(text):
            return date(int(found[3]), int(found[2]), int(found[1]))
        if (found := _SLASHED.fullmatch(text)) and is_day_first is not None:
            day, month = (1, 2) if is_day_first else (2, 1)
            return date(int(found[3]), int(found[month]), int(found[day]))
    except ValueError:
        return None
    return None


def _last(
    text: str | None, first: date | None, columns: Columns, is_day_first: bool | None
) -> date | None:
    if text is None:
        month = columns.headings.get("first", "").strip().casefold() == "month"
        return _end_of_month(first) if month and first else first
    last = _day(text, is_day_first)
    found = _ISO.fullmatch(text)
    is_midnight = found is None or all(found[part] in (None, "00") for part in (4, 5, 6))
    if last and columns.is_end_exclusive and is_midnight and (first is None or last > first):
        return last - timedelta(days=1)
    return last


def _end_of_month(first: date) -> date:
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def _is_day_first(texts: Sequence[str | None]) -> bool | None:
    """Return which of 03/04/2026 is the day, by the others of the column; None for unclear."""
    found = [each for text in texts if text and (each := _SLASHED.fullmatch(text))]
    day_first = any(int(each[1]) > 12 for each in found)
    month_first = any(int(each[2]) > 12 for each in found)
    return day_first if day_first != month_first else None


def _notes(columns: Columns, mark: printed.Mark | None) -> tuple[str, ...]:
    taken = ", ".join(f"{meaning} from {each!r}" for meaning, each in columns.headings.items())
    notes = [f"Columns: {taken}."]
    if columns.others:
        notes.append(f"Not read: {', '.join(repr(each) for each in columns.others)}.")
    if mark == ",":
        notes.append("Decimals stand behind a comma.")
    return tuple(notes)


def as_text(value: object) -> str:
    """Return a cell of a workbook as text: numbers exactly, days as ISO."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat() if not value.time() else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    # The shortest text that is the same binary number: what was typed, up to 15 digits.
    return repr(value) if isinstance(value, float) else str(value)
