"""Whether each number of an answer stands in the results that it tells of. Pure.

A number is held against cells of its unit, totals and counts, within half of its last digit; its
sign is words ("fell by 5"). A sentence that names a row, a service say, may only say that row's
figures. Not caught: direction words, numbers in words, another column of the same unit and row,
figures that two rows named in one sentence exchange.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Final

from app.assistant.tools.contract import Cell, ToolResult

_SIGNS: Final = {
    "US$": frozenset({"USD"}),
    "$": frozenset({"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN"}),
    "€": frozenset({"EUR"}),
    "£": frozenset({"GBP"}),
    "¥": frozenset({"JPY", "CNY"}),
    "₹": frozenset({"INR"}),
}
_PERCENT: Final = frozenset({"%", "percentage points"})
_SCALES: Final = {
    **dict.fromkeys(("k", "thousand"), 1_000),
    **dict.fromkeys(("m", "mn", "million"), 1_000_000),
    **dict.fromkeys(("b", "bn", "billion"), 1_000_000_000),
}
_CODE: Final = (
    "USD|EUR|GBP|JPY|CHF|CAD|AUD|CNY|INR|SEK|NOK|DKK|PLN|CZK|HUF|RON|BRL|MXN|ZAR|SGD|HKD|KRW|NZD"
    "|ILS|TRY|AED|SAR"
)
_CODES: Final = frozenset(_CODE.split("|"))
_NUMBER: Final = re.compile(
    # Not inside a word, a version or a name such as us-east-1; the second of 10-20 is a number.
    r"(?<![\w.])(?<![A-Za-z_]-)"
    rf"(?P<before>US\$|[$€£¥₹]|(?:{_CODE})\s?)?[-+\u2212]?"
    r"(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?P<fraction>\.\d+)?"
    r"(?:\s?(?P<scale>k|K|M|mn|B|bn|thousand|million|billion)\b)?"
    rf"(?:\s?(?P<after>%|percent\b|percentage points?\b|pp\b|€|£|(?:{_CODE})\b))?"
    r"(?!\w)"
)
_MONTH: Final = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sep(?:t(?:ember)?)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
_DAY: Final = r"\d{1,2}(?:st|nd|rd|th)?"
# What has digits and claims nothing: citations, dates, times, list markers, addresses.
_NO_CLAIMS: Final = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"\[[rw]?[0-9a-f]{1,10}\]|\br[0-9a-f]{10}\b",
        r"https?://\S+",
        # Names of two words and more, with all that hangs on them: claude-haiku-4-5-20251001.
        r"(?<![\w-])[A-Za-z]{2,}(?:-[A-Za-z]\w*)+(?:-\w+)*",
        r"\b\d{4}-\d{2}(?:-\d{2})?(?:T[\d:.+Z-]+)?\b",
        rf"\b(?:{_DAY}\s?(?:-|\u2013|to|and)\s?)?{_DAY}\s(?:of\s)?{_MONTH}(?:\s\d{{4}}\b)?",
        rf"\b{_MONTH}\s{_DAY}(?:\s?(?:-|\u2013|to|and)\s?{_DAY})?\b(?![.,]\d|\s?%)(?:,?\s\d{{4}}\b)?",
        rf"\b{_MONTH}\s\d{{4}}\b",
        r"\b\d{1,2}:\d{2}(?::\d{2})?\b",
        r"^\s*(?:[-*>]\s+)?\d{1,2}[.)](?=\s)",
    )
)
_YEAR: Final = re.compile(
    rf"(?<![\w.,$€£¥₹-])(?:19|20)\d{{2}}(?![\w%]|[.,]\d|\s?(?:[%€£]|{_CODE}))"
)
_SENTENCE: Final = re.compile(r"[^\n]+?(?:[.!?](?=\s)|(?=\n)|\Z)", re.DOTALL)
# What ends a sentence, within a name.
_ENDS: Final = re.compile(r"[.!?]\s")


@dataclass(frozen=True)
class Source:
    """Where a number stands: a row of a result by index and column, or None and a total."""

    result_id: str
    row: int | None
    column: str


@dataclass(frozen=True)
class Claim:
    """A number in an answer, from `start` to `end`; without a `source` nothing says it."""

    start: int
    end: int
    text: str
    value: Decimal
    source: Source | None

    @property
    def is_verified(self) -> bool:
        """Whether it stands in a result, or was said by the question."""
        return self.source is not None


@dataclass(frozen=True)
class _Figure:
    value: Decimal
    unit: str
    source: Source


@dataclass(frozen=True)
class _Said:
    """A number as it is written: `units` that it may have, None for any."""

    value: Decimal
    tolerance: Decimal
    units: frozenset[str] | None

    def is_of(self, figure: _Figure) -> bool:
        if self.units is None:
            is_unit = True
        elif self.units:
            is_unit = figure.unit in self.units
        else:  # a count
            is_unit = figure.unit not in _PERCENT and not _is_currency(figure.unit)
        return is_unit and abs(abs(self.value) - abs(figure.value)) <= self.tolerance


def verify(answer: str, results: Sequence[ToolResult], question: str = "") -> list[Claim]:
    """Return the numbers of an answer in their order, each with where it stands in the results."""
    blanked = _blanked(answer, _labels(results))
    blanked = _without_years(blanked, results)
    echoed = {
        said.value for _, said in _numbers(question, 0, len(question)) if said.units == frozenset()
    }
    claims = []
    for start, end in _sentences(answer, results):
        figures: list[_Figure] | None = None
        for found, said in _numbers(blanked, start, end):
            if figures is None:
                figures = list(_figures(answer[start:end], results))
            # An exact hit tells best where a rounded number comes from.
            source = min(
                (
                    (abs(abs(said.value) - abs(each.value)), place, each.source)
                    for place, each in enumerate(figures)
                    if said.is_of(each)
                ),
                default=None,
            )
            stands = source[2] if source else None
            if stands is None and not said.units and said.value in echoed:
                stands = Source("question", None, "")
            text = answer[found.start() : found.end()]
            claims.append(Claim(found.start(), found.end(), text, said.value, stands))
    return claims


def masked(answer: str, names: Iterable[str]) -> str:
    """Return an answer with names as words without meaning: they may hold the end of a sentence."""
    for name in sorted(names, key=len, reverse=True):
        answer = whole_word(name).sub(lambda found: "x" * len(found[0]), answer)
    return answer


def _sentences(answer: str, results: Sequence[ToolResult]) -> Iterator[tuple[int, int]]:
    """Yield where sentences, lines and rows of tables begin and end."""
    names = {
        value
        for result in results
        for row in result.rows
        for value in row.values()
        if isinstance(value, str) and _ENDS.search(value)
    }
    for found in _SENTENCE.finditer(masked(answer, names)):
        yield found.span()


def _numbers(text: str, start: int, end: int) -> Iterator[tuple[re.Match[str], _Said]]:
    is_table = text[start:end].lstrip().startswith("|")
    for found in _NUMBER.finditer(text, start, end):
        scale = Decimal(_SCALES.get((found["scale"] or "").lower(), 1))
        fraction = found["fraction"] or ""
        value = Decimal(found["whole"].replace(",", "") + fraction) * scale
        places = max(len(fraction) - 1, 0)  # its first character is the point
        tolerance = Decimal(1).scaleb(-places) * scale / 2
        yield found, _Said(value, tolerance, _units(found, is_table=is_table))


def _units(found: re.Match[str], *, is_table: bool) -> frozenset[str] | None:
    """Return the units that a number may have; none of them for a count, None for any."""
    before, after = (found["before"] or "").strip(), (found["after"] or "").strip()
    for sign in (before, after):
        if sign in _SIGNS:
            return _SIGNS[sign]
        if sign in _CODES:
            return frozenset({sign})
    if after:
        return _PERCENT
    # A column's head has the unit; a count has no fraction.
    return None if is_table or found["fraction"] or found["scale"] else frozenset()


def _figures(sentence: str, results: Sequence[ToolResult]) -> Iterator[_Figure]:
    """Yield what a sentence may say: totals, counts, and cells of the rows that it names."""
    bound = [(result, *_bound(sentence, result)) for result in results]
    is_any_named = any(is_named for _, _, is_named in bound)
    for result, rows, is_named in bound:
        yield from _overall(result)
        # A sentence about a row of one result says nothing of the rows of another.
        if is_named or not is_any_named or not _label_columns(result):
            for index in rows:
                yield from _cells(result, index)


def _bound(sentence: str, result: ToolResult) -> tuple[list[int], bool]:
    """Return the rows that a sentence may be about, and whether it names any of them."""
    rows, is_named = list(range(len(result.rows))), False
    for column in _label_columns(result):
        named = _named(sentence, [result.rows[index][column] for index in rows])
        if named:
            rows = [index for index in rows if result.rows[index][column] in named]
            is_named = True
    return rows, is_named


def _label_columns(result: ToolResult) -> list[str]:
    first = result.rows[0] if result.rows else {}
    return [
        name
        for name in first
        if name != "unit" and any(isinstance(row.get(name), str | date) for row in result.rows)
    ]


def _named(sentence: str, labels: Iterable[Cell]) -> set[Cell]:
    """Return the labels that occur as whole words, the longer before those within them."""
    spelled = [
        (words, label)
        for label in dict.fromkeys(labels)
        if isinstance(label, str | date)
        for words in spellings(label)
    ]
    found: set[Cell] = set()
    for words, label in sorted(spelled, key=lambda each: -len(each[0])):
        pattern = whole_word(words)
        if pattern.search(sentence):
            found.add(label)
            sentence = pattern.sub(" ", sentence)
    return found


def spellings(label: str | date) -> list[str]:
    """Return how a name or a day is written in an answer; the first of a month names that too."""
    if isinstance(label, str):
        return [label] if label.strip() else []
    month = f"{label:%B}"
    days = [
        *(f"{label.day} {name}" for name in (month, month[:3])),
        *(f"{name} {label.day}" for name in (month, month[:3])),
    ]
    # A month's row is its first day.
    months = [month, f"{label:%Y-%m}", f"{month[:3]} {label.year}"] if label.day == 1 else []
    return [label.isoformat(), *days, *months]


@lru_cache(4096)
def whole_word(words: str) -> re.Pattern[str]:
    """Return the pattern of words that are no part of longer ones, whatever their case."""
    return re.compile(rf"(?<![\w-]){re.escape(words)}(?![\w-])", re.IGNORECASE)


def _overall(result: ToolResult) -> Iterator[_Figure]:
    for name, value in result.totals.items():
        yield _Figure(value, result.unit.get(name, "count"), _at(result, None, name))
    counts: dict[str, int] = {"row_count": result.row_count, "rows": len(result.rows)}
    limit = result.params.get("limit")
    if isinstance(limit, int):
        counts["limit"] = limit
    for first, last in (("start", "end"), ("compare_start", "compare_end")):
        days = [result.params.get(name) for name in (first, last)]
        if all(isinstance(day, str) for day in days):
            begin, end = (date.fromisoformat(str(day)) for day in days)
            counts[f"days from {first}"] = (end - begin).days
    for name, count in counts.items():
        yield _Figure(Decimal(count), "count", _at(result, None, name))


def _cells(result: ToolResult, index: int) -> Iterator[_Figure]:
    row = result.rows[index]
    for name, value in row.items():
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            continue
        unit = result.unit.get(name, "count")
        if unit in ("billing_currency", "unit"):
            unit = str(row.get(unit))
        yield _Figure(Decimal(value), unit, _at(result, index, name))


def _at(result: ToolResult, row: int | None, column: str) -> Source:
    return Source(result.result_id, row, column)


def _is_currency(unit: str) -> bool:
    return len(unit) == 3 and unit.isupper()


def _labels(results: Sequence[ToolResult]) -> list[str]:
    """Return the labels with digits: no claim is made by naming them."""
    found = {
        value
        for result in results
        for row in result.rows
        for value in row.values()
        if isinstance(value, str) and any(each.isdigit() for each in value)
    }
    # A label that is a number would hide any claim of that number; and one that tells an amount,
    # as a line of somebody's invoice may, any claim of that amount.
    hidden = (each for each in found if re.search(r"[^\W\d_]", each) and not _tells(each))
    return sorted(hidden, key=len, reverse=True)


def _tells(label: str) -> bool:
    return any(said.units for _, said in _numbers(label, 0, len(label)))


def _blanked(answer: str, labels: Sequence[str]) -> str:
    """Return the answer with spaces in place of what claims nothing, at the same places."""
    for pattern in (*map(whole_word, labels), *_NO_CLAIMS):
        answer = pattern.sub(lambda found: " " * len(found[0]), answer)
    return answer


def _without_years(answer: str, results: Sequence[ToolResult]) -> str:
    """Blank the years that the results are about; any other is a number."""
    years = {
        int(year) + near
        for result in results
        for year in re.findall(r"\b((?:19|20)\d{2})-\d{2}", f"{result.params} {result.data_as_of}")
        for near in (-1, 0, 1)
    }
    return _YEAR.sub(
        lambda found: " " * len(found[0]) if int(found[0]) in years else found[0], answer
    )
