"""The perfect agent of a case, as a script: the expected calls, and its oracle's figures in words.

Mutants are made of it; a model server over HTTP plays it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from app.assistant.tools.contract import Cell, ToolResult
from astraeus_pipeline.errors import AstraeusError
from evals.cases import Who
from evals.grading import SIGNED
from evals.oracles import Known, Row, Truth, unit_of
from evals.runs import Made, Run

Calling = Callable[[Who, str, Mapping[str, Any]], ToolResult]
NOTHING: Final = "I cannot tell this from the data."


@dataclass(frozen=True)
class Call:
    """A call of a tool as a script makes it."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """A number with its unit, as it is said under its column's name."""

    name: str
    value: Decimal
    unit: str
    text: str = ""

    @property
    def words(self) -> str:
        """The number as it is written: money to the cent, shares to a tenth."""
        sign = "+" if self.name.startswith(SIGNED) and self.value > 0 else ""
        if self.unit == "count":
            shown = self.text or f"{self.value.normalize():f}"
            return f"{sign}{shown}"
        places = 1 if self.unit in ("%", "percentage points") else 2
        return f"{sign}{self.text or format(self.value, f'.{places}f')} {self.unit}"


@dataclass(frozen=True)
class Line:
    """What is said of a row: names, figures, and which call it rests on."""

    names: tuple[str, ...]
    figures: tuple[Figure, ...]
    call: int

    def words(self, citation: str) -> str:
        """Return the line as it is written."""
        told = ", ".join(f"{each.name.replace('_', ' ')} {each.words}" for each in self.figures)
        return f"{', '.join(self.names)}{': ' if self.names else ''}{told} {citation}".strip()


@dataclass(frozen=True)
class Script:
    """An agent that makes these calls and says these lines, or else `words`."""

    calls: tuple[Call, ...]
    lines: tuple[Line, ...] = ()
    words: str = ""

    def played(self, who: Who, call: Calling) -> Run:
        """Return what comes of it when its calls are made for somebody."""
        made = []
        for each in self.calls:
            try:
                result = call(who, each.tool, each.arguments)
            except AstraeusError:
                made.append(Made(each.tool, each.arguments))
            else:
                made.append(Made(each.tool, each.arguments, result))
        return Run(self.said([each.result for each in made]), tuple(made))

    def said(self, results: Sequence[ToolResult | None]) -> str:
        """Return the answer that cites these results, one per call."""
        cited = [f"[{each.result_id}]" if each else "" for each in results]
        lines = [each.words(cited[each.call] if cited else "") for each in self.lines]
        return "\n".join([*lines, *([self.words] if self.words else [])]) or NOTHING


def perfect(known: Known) -> Script:
    """Return the script that does all that a case expects."""
    case = known.case
    if case.expect == "refuse":
        return Script((), (), NOTHING)
    if case.expect == "search":
        search = Call("search_web", {"query": case.query})
        return Script((search,), (), "The vendor publishes it on its own page [w1].")
    if case.expect == "ask":
        return Script((), (), f"Which one do you mean: {' or '.join(known.choices)}?")
    calls = tuple(Call(each.tool, each.arguments) for each in case.calls)
    lines = tuple(
        line(truth, row, place) for place, truth in enumerate(known.truths) for row in truth.rows
    )
    return Script(calls, lines)


def line(truth: Truth, row: Row, call: int) -> Line:
    """Return what is said of a row of an oracle."""
    names = tuple(str(row[name]) for name in truth.named if row[name] is not None)
    return Line(names, tuple(figures(truth, row, row)), call)


def figures(truth: Truth, row: Row, values: Mapping[str, Cell]) -> list[Figure]:
    """Return the figures to be said of a row, with these values."""
    found = []
    for name in truth.said:
        value = values.get(name)
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            found.append(Figure(name, Decimal(value), unit_of(name, row)))
    return found
