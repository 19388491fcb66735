"""Agents that ask something else than they were asked, and honestly tell what they got."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final

from app.assistant.tools.contract import ToolResult
from app.queries.catalog import METRICS
from astraeus_pipeline.errors import AstraeusError
from evals.arguments import is_asked
from evals.files import FILES
from evals.oracles import CURRENCY, Known, Truth
from evals.runs import Made
from evals.scripts import NOTHING, Call, Calling, Line, Script, figures, perfect

# What a filter of any tool is called.
_FILTERS: Final = ("filters", "types", "regions", "providers", "account_ids", "words", "tag_keys")
_NARROWED: Final = ("state", "severity", "status")
_ISO_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAYS: Final = ("start", "end", "compare_start", "compare_end", "since")


def _recalled(known: Known, call: Calling, place: int, arguments: Mapping[str, Any]) -> Script:
    """Return the script that asks otherwise, and honestly tells what it got."""
    script = perfect(known)
    wrong = Call(script.calls[place].tool, arguments)
    calls = (*script.calls[:place], wrong, *script.calls[place + 1 :])
    try:
        result = call(known.case.user, wrong.tool, wrong.arguments)
    except AstraeusError:
        return Script(calls, (), NOTHING)
    told = tuple(retold(known.truths[place], result, place))
    lines = (*(each for each in script.lines if each.call != place), *told)
    return Script(calls, lines, "" if lines else NOTHING)


def retold(truth: Truth, result: ToolResult, place: int) -> Iterator[Line]:
    """Yield what an agent tells of the rows of an oracle by a result of its own."""
    for row in truth.rows:
        if truth.expected.of == "totals":
            ending = f" {row[CURRENCY]}" if CURRENCY in row else ""
            values: dict[str, Any] = {
                name.removesuffix(ending): value for name, value in result.totals.items()
            }
            values["row_count"] = result.row_count
        else:
            names = [*truth.labels, *([CURRENCY] if CURRENCY in row else [])]
            alike = [
                each for each in result.rows if all(each.get(name) == row[name] for name in names)
            ]
            if not alike:
                continue
            values = dict(alike[0])
        for metric in METRICS.values():  # the one that was asked for in place of the right one
            if metric.column in values:
                for other in METRICS.values():
                    values.setdefault(other.column, values[metric.column])
        said = figures(truth, row, values)
        if said:
            labels = tuple(str(row[name]) for name in truth.named if row[name] is not None)
            yield Line(labels, tuple(said), place)


def _otherwise(
    known: Known, call: Calling, changed: Callable[[dict[str, Any]], Iterator[dict[str, Any]]]
) -> Iterator[Script]:
    if known.case.expect != "answer":
        return
    for place, expected in enumerate(known.case.calls):
        for arguments in changed(dict(expected.arguments)):
            try:
                result = call(known.case.user, expected.tool, arguments)
            except AstraeusError:
                yield _recalled(known, call, place, arguments)
                continue
            # What only looks different is no mutant.
            if not is_asked(expected, Made(expected.tool, arguments, result)):
                yield _recalled(known, call, place, arguments)


def wrong_metric(known: Known, call: Calling, chance: random.Random) -> Iterator[Script]:
    """Ask for another cost."""

    def changed(arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for name in ("metrics", "metric"):
            if name in arguments:
                asked = arguments[name]
                first = asked[0] if isinstance(asked, list) else asked
                other = chance.choice([each for each in METRICS if each != first])
                yield {**arguments, name: [other] if isinstance(asked, list) else other}

    yield from _otherwise(known, call, changed)


def wrong_day(known: Known, call: Calling, chance: random.Random) -> Iterator[Script]:
    """Move a day by one."""

    def changed(arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for name in _DAYS:
            if arguments.get(name):
                step = chance.choice((-1, 1))
                day = date.fromisoformat(arguments[name]) + timedelta(days=step)
                yield {**arguments, name: day.isoformat()}

    yield from _otherwise(known, call, changed)


def dropped_filter(known: Known, call: Calling, chance: random.Random) -> Iterator[Script]:
    """Leave out a filter."""

    def changed(arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for name in (*_FILTERS, *_NARROWED):
            if arguments.get(name):
                if name == "filters" and len(arguments[name]) > 1:
                    yield {**arguments, name: arguments[name][1:]}
                yield {key: value for key, value in arguments.items() if key != name}

    yield from _otherwise(known, call, changed)


def wrong_groups(known: Known, call: Calling, chance: random.Random) -> Iterator[Script]:
    """Group by something else, or by another grain."""

    def changed(arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        groups = arguments.get("group_by")
        if groups:
            others = [each for each in ("service", "account", "region") if each not in groups]
            yield {**arguments, "group_by": [chance.choice(others)]}
        if arguments.get("grain"):
            other = {"day": "week", "week": "month", "month": "week"}[arguments["grain"]]
            yield {**arguments, "grain": other}

    yield from _otherwise(known, call, changed)


def wrong_sql(known: Known, call: Calling, chance: random.Random) -> Iterator[Script]:
    """Move a day of a query by one, or take another cost."""
    for place, expected in enumerate(known.case.calls):
        if expected.tool != "run_sql":
            continue
        sql = expected.arguments["sql"]
        right = call(known.case.user, expected.tool, expected.arguments)
        days = sorted(set(_ISO_DAY.findall(sql)))
        day = chance.choice(days)
        moved = date.fromisoformat(day) + timedelta(days=chance.choice((-1, 1)))
        for other in (sql.replace(day, str(moved)), sql.replace("billed_cost", "list_cost")):
            arguments = {**expected.arguments, "sql": other}
            wrong = call(known.case.user, expected.tool, arguments)
            # Another name alone is no other answer.
            if [[*row.values()] for row in wrong.rows] != [[*row.values()] for row in right.rows]:
                yield _recalled(known, call, place, arguments)


def wrong_file(known: Known, call: Calling, chance: random.Random) -> Iterator[Script]:
    """Take another of the person's files."""

    def changed(arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        asked = arguments.get("attachment")
        mine = [each.handle for each in FILES if each.who == known.case.user]
        if asked in mine:
            yield from ({**arguments, "attachment": each} for each in mine if each != asked)

    yield from _otherwise(known, call, changed)


def forgets(known: Known, call: Calling, chance: random.Random) -> Iterator[Script]:
    """Answer what was asked before once more."""
    if known.earlier is not None:
        yield perfect(known.earlier)
