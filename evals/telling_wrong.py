"""Agents that ask what is right and tell it wrong: a digit, a unit, a sign, a row, a source."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from app.assistant.tools.registry import TOOLS
from evals.grading import SIGNED
from evals.oracles import CURRENCY, Known
from evals.scripts import Call, Calling, Figure, Line, Script, perfect

_MONEY: Final = frozenset({"USD", "EUR"})


def _figures_changed(
    known: Known, changed: Callable[[Figure], Figure | None], chance: random.Random
) -> Iterator[Script]:
    """Yield scripts with one figure changed."""
    script = perfect(known)
    places = [
        (at, which) for at, each in enumerate(script.lines) for which in range(len(each.figures))
    ]
    chance.shuffle(places)
    for at, which in places:
        line = script.lines[at]
        other = changed(line.figures[which])
        if other is None:
            continue
        told = (*line.figures[:which], other, *line.figures[which + 1 :])
        lines = (*script.lines[:at], replace(line, figures=told), *script.lines[at + 1 :])
        yield replace(script, lines=lines)


def altered_number(known: Known, call: Calling, chance: random.Random) -> Iterator[Script]:
    """Change one digit."""

    def changed(figure: Figure) -> Figure:
        text = replace(figure, text="").words.split(" ")[0].lstrip("+-")
        place = chance.choice([at for at, each in enumerate(text) if each.isdigit()])
        digit = chance.choice([each for each in "0123456789" if each != text[place]])
        altered = f"{text[:place]}{digit}{text[place + 1 :]}"
        return replace(figure, text=f"{'-' if figure.value < 0 else ''}{altered}")

    yield from _figures_changed(known, changed, chance)


def wrong_rounding(known: Known, call: Calling, chance: random.Random) -> Iterator[Script]:
    """Round more coarsely, or cut."""

    def changed(figure: Figure) -> Figure | None:
        if figure.unit not in _MONEY:
            return None
        right = figure.value.quantize(Decimal("0.01"))
        whole = figure.value.quantize(Decimal(1))
        thousands = f"{figure.value / 1000:.1f}k"
        cut = figure.value.quantize(Decimal("0.01"), ROUND_DOWN)
        ways = [str(whole)] if whole != right else []
        ways += [thousands] if abs(figure.value) > 10_000 else []
        ways += [str(cut)] if cut != right else []
        return replace(figure, text=chance.choice(ways)) if ways else None

    yield from _figures_changed(known, changed, chance)


def wrong_currency(known: Known, call: Calling, chance: random.Random) -> Iterator[Script]:
    """Name another unit."""

    def changed(figure: Figure) -> Figure | None:
        if figure.unit in _MONEY:
            return replace(figure, unit="EUR" if figure.unit == "USD" else "USD")
        return replace(figure, unit="USD") if figure.unit == "%" else None

    yield from _figures_changed(known, changed, chance)


def sign_flip(known: Known, call: Calling, chance: random.Random) -> Iterator[Script]:
    """Tell a fall as a rise."""

    def changed(figure: Figure) -> Figure | None:
        if not figure.value or not (figure.name.startswith(SIGNED) or figure.value < 0):
            return None
        shown = replace(figure, text="").words.split(" ")[0].lstrip("+-")
        if not Decimal(shown):
            return None
        # Without the plus that a rise bears, and with the minus that it has not.
        return replace(figure, value=-figure.value, text=shown if figure.value < 0 else f"-{shown}")

    yield from _figures_changed(known, changed, chance)


def fake_citation(known: Known, call: Calling, chance: random.Random) -> Iterator[Script]:
    """Cite what is no result."""
    if known.case.expect == "answer":
        script = perfect(known)
        run = script.played(known.case.user, call)
        fake = f"r{chance.randrange(16**10):010x}"
        words = run.answer
        for result in run.results:
            words = words.replace(result.result_id, fake)
        yield replace(script, lines=(), words=words)


def entity_swap(known: Known, call: Calling, chance: random.Random) -> Iterator[Script]:
    """Tell one row's figures of another."""
    script = perfect(known)
    pairs = [
        (one, two)
        for one in range(len(script.lines))
        for two in range(one + 1, len(script.lines))
        if script.lines[one].call == script.lines[two].call
        and script.lines[one].names != script.lines[two].names
        and [each.words for each in script.lines[one].figures]
        != [each.words for each in script.lines[two].figures]
    ]
    chance.shuffle(pairs)
    for one, two in pairs[:2]:
        lines = list(script.lines)
        lines[one] = replace(script.lines[one], names=script.lines[two].names)
        lines[two] = replace(script.lines[two], names=script.lines[one].names)
        yield replace(script, lines=tuple(lines))


def left_out(known: Known, call: Calling, chance: random.Random) -> Iterator[Script]:
    """Leave out a row."""
    script = perfect(known)
    if len(script.lines) > 1:
        at = chance.randrange(len(script.lines))
        yield replace(script, lines=(*script.lines[:at], *script.lines[at + 1 :]))


def ignored_truncation(known: Known, call: Calling, chance: random.Random) -> Iterator[Script]:
    """Take the rows that are shown for all that there are."""
    if known.case.expect != "answer":
        return
    script = perfect(known)
    for place, truth in enumerate(known.truths):
        asked = script.calls[place]
        if truth.expected.of != "totals" or "limit" not in _arguments_of(asked.tool):
            continue
        shown = Call(asked.tool, {**asked.arguments, "limit": 2})
        result = call(known.case.user, shown.tool, shown.arguments)
        if not result.truncated:
            continue
        [row, *_] = truth.rows
        told = []
        for name in truth.said:
            column = "cost" if name == "cost" else name
            if name in ("row_count", "resources"):
                told.append(Figure(name, Decimal(len(result.rows)), "count"))
            else:
                part = [each.get(column) for each in result.rows if _same(each, row)]
                cells = [each for each in part if isinstance(each, Decimal)]
                if cells:
                    unit = str(row.get(CURRENCY))
                    told.append(Figure(name, sum(cells, Decimal(0)), unit))
        right = {each.words for line in script.lines for each in line.figures}
        if {each.words for each in told} - right:
            calls = (*script.calls[:place], shown, *script.calls[place + 1 :])
            lines = tuple(each for each in script.lines if each.call != place)
            yield Script(calls, (*lines, Line((), tuple(told), place)))


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return CURRENCY not in one or one[CURRENCY] == other.get(CURRENCY)


def _arguments_of(tool: str) -> Mapping[str, Any]:
    return TOOLS[tool].arguments.model_fields
