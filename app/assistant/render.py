"""An answer as a page may show it: inert text, citations, numbers that nothing says. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from app.assistant.tools.contract import Cell, ToolResult
from app.assistant.tools.web import link_of
from app.assistant.verifier import Claim, verify

_SPECIAL: Final = re.compile(r"([\\\[\]<$`])")
# Markdown makes links of these without any brackets; a space of no width keeps them words.
_AUTOLINKS: Final = re.compile(r"://|www\.|@", re.IGNORECASE)
_ID: Final = re.compile(r"r[0-9a-f]{10}|w\d{1,3}")
_CITATION: Final = re.compile(rf"\[(?:{_ID.pattern})(?:,\s*(?:{_ID.pattern}))*\]")
# How OpenAI, Anthropic and Google say that the answer was cut at its greatest length.
_CUT: Final = frozenset({"length", "max_tokens"})


@dataclass(frozen=True)
class Answer:
    """`markdown` to be drawn with HTML allowed: its only tags are those of this module."""

    markdown: str
    claims: tuple[Claim, ...]
    # Ids that are cited and are of no result.
    unknown_citations: tuple[str, ...] = ()

    @property
    def unverified(self) -> int:
        """How many numbers stand in no result."""
        return sum(not each.is_verified for each in self.claims)


def inert(text: str) -> str:
    """Return text of a model or a provider as Markdown without images, links, HTML, mathematics.

    Tables, lists and emphasis stay.
    """
    escaped = _SPECIAL.sub(r"\\\1", text)
    return _AUTOLINKS.sub(lambda found: "&#8203;".join([*found[0], ""]), escaped)


def rendered(text: str, results: Sequence[ToolResult], question: str = "") -> Answer:
    """Return an answer with its citations numbered as the results are shown, from 1.

    Numbers that stand in no result are underlined. Sources of the web are links, to the addresses
    that the search gave and to no others.
    """
    links = _links(results)
    places = {each.result_id: number for number, each in enumerate(results, 1)}
    claims = verify(text, results, question)
    unknown: list[str] = []
    marks: list[tuple[int, int, str]] = [
        (
            each.start,
            each.end,
            f'<u title="not found in the data">{inert(text[each.start : each.end])}</u>',
        )
        for each in claims
        if not each.is_verified
    ]
    for found in _CITATION.finditer(text):
        said = []
        for cited in _ID.findall(found[0]):
            if cited not in places and cited not in links:
                unknown.append(cited)
            said.append(links.get(cited) or str(places.get(cited, "?")))
        marks.append((found.start(), found.end(), f"\\[{', '.join(said)}\\]"))
    parts, at = [], 0
    for start, end, words in sorted(marks):
        if start < at:
            continue
        parts += [inert(text[at:start]), words]
        at = end
    return Answer("".join([*parts, inert(text[at:])]), tuple(claims), tuple(unknown))


def _links(results: Sequence[ToolResult]) -> dict[str, str]:
    """Return the sources of the web by id, as links; ids that two pages have are left out."""
    found: dict[str, set[str]] = {}
    for result in results:
        for row in result.rows if result.tool == "search_web" else ():
            name, url = str(row.get("id")), link_of(row)
            if _ID.fullmatch(name):
                found.setdefault(name, set()).add(f"[{name}]({url})" if url else name)
    return {name: each.pop() for name, each in found.items() if len(each) == 1}


def is_cut(metadata: Mapping[str, Any]) -> bool:
    """Whether a model says that it was stopped at the greatest length of an answer."""
    reason = metadata.get("finish_reason") or metadata.get("stop_reason") or ""
    if not reason and isinstance(metadata.get("incomplete_details"), Mapping):
        return bool(metadata["incomplete_details"].get("reason") == "max_output_tokens")
    return str(reason).lower() in _CUT


def receipt(result: ToolResult) -> str | None:
    """Say what a tool has done, by its own result and not by what a model says of it."""
    row = result.rows[0] if result.rows else {}
    if result.tool == "sync_resources" and row.get("state") == "requested":
        return (
            f"Dagster was asked to ingest {row['days']} days of {row['dataset']} of"
            f" {row['account']} (backfill {row['backfill_id']})."
        )
    return str(row["receipt"]) if row.get("receipt") else None


def bars(result: ToolResult) -> tuple[str, str, str, list[tuple[str, Decimal]]] | None:
    """Return what of a result a small chart can show: label column, value column, unit, points.

    The first column of money, else the first with a unit, in the unit of the first row alone:
    currencies do not share an axis. None where there are not two points, or names stand for
    several rows.
    """
    label = next((name for name in ("period", "usage_date") if _has(result, name, date)), None)
    label = label or _first(
        name
        for name in (result.rows[0] if result.rows else {})
        if name not in ("billing_currency", "unit", "state") and _has(result, name, str)
    )
    figures = [
        name
        for name in (result.rows[0] if result.rows else {})
        if name in result.unit and name != "rank" and _has(result, name, Decimal | int)
    ]
    value = _first(sorted(figures, key=lambda name: not is_money(result.unit[name])))
    if label is None or value is None:
        return None
    unit = unit_of(result, result.rows[0], value)
    points = [
        (str(row[label]), Decimal(row[value]))  # type: ignore[arg-type] # the condition below lets numbers alone through
        for row in result.rows
        if row.get(label) is not None
        and isinstance(row.get(value), Decimal | int)
        and unit_of(result, row, value) == unit
    ]
    names = [name for name, _ in points]
    if len(points) < 2 or len(set(names)) < len(names):
        return None
    return label, value, unit, points


def columns(result: ToolResult) -> list[str]:
    """Return the columns that have anything in them: rank, names, money, other figures, the rest.

    A thread that is opened again has lost the order in which the tool put them.
    """
    names = dict.fromkeys(name for row in result.rows for name in row)
    kept = [name for name in names if any(row.get(name) is not None for row in result.rows)]
    kept = [name for name in kept if name != "receipt"]  # which is told in words
    if "billing_currency" in kept and "billing_currency" not in result.unit.values():
        kept.remove("billing_currency")  # each heading names its own
    return sorted(kept, key=lambda name: _place(result, name))


def is_money(unit: str) -> bool:
    """Whether a unit is a currency, or that of each row."""
    return unit == "billing_currency" or (len(unit) == 3 and unit.isupper())


def _place(result: ToolResult, name: str) -> int:
    if name == "rank":
        return 0
    if name in result.unit:
        return 2 if is_money(result.unit[name]) else 3
    return 1 if name != "billing_currency" and _has(result, name, str | date) else 4


def unit_of(result: ToolResult, row: Mapping[str, Cell], column: str) -> str:
    """Return the unit of a cell; where each row names its own, that."""
    unit = result.unit.get(column, "")
    return str(row.get(unit)) if unit in ("billing_currency", "unit") else unit


def _has(result: ToolResult, name: str, kind: Any) -> bool:
    return any(
        isinstance(row.get(name), kind) and not isinstance(row.get(name), bool)
        for row in result.rows
    )


def _first(names: Iterable[str]) -> str | None:
    return next(iter(names), None)
