"""Reports in daily buckets, {data: [{<start>, results: [...]}], has_more, next_page}, page by page.

OpenAI and Anthropic answer in this shape. A report is asked for twice, grouped and without any
grouping: the second answer is the control of the first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, NoReturn

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Fetched, Landing, Reject
from astraeus_pipeline.contracts.stored_lines import documents
from astraeus_pipeline.contracts.typed_rows import Row
from astraeus_pipeline.errors import NotObtainable, PayloadError, TransientError
from astraeus_pipeline.reports.api import Answer, Content, JsonApi, Parameters

_MAX_PAGES: Final = 10_000

Money = tuple[str, Decimal]  # ISO code, amount
DayOf = Callable[[Content], date]
MoneyOf = Callable[[Content], Money]


@dataclass(frozen=True)
class Report:
    """One question; `day_of` tells the UTC day of a bucket and raises where it is no whole day."""

    path: str
    parameters: Parameters
    days: DayRange
    day_of: DayOf
    attempt: str


def askable(api: JsonApi, days: DayRange) -> DayRange:
    """Return the days of a range that have begun.

    Raises: NotObtainable if none has.
    """
    if days.first > api.today:
        raise NotObtainable(
            f"Account {api.account.slug}: {days} lies in the future.",
            hint="Ask for days that have begun.",
        )
    return DayRange(days.first, min(days.last, api.today))


def pages(api: JsonApi, report: Report) -> Iterator[Answer]:
    """Yield the pages of a report, each result once.

    A page token goes back as a parameter to the same origin, whatever it looks like.

    Raises: PayloadError if pages repeat, promise more without a token, or speak of days that were
    not asked for; what `JsonApi.get` raises.
    """
    seen: set[tuple[date, str]] = set()
    more: list[tuple[str, str]] = []
    for _ in range(_MAX_PAGES):
        answer = api.get(report.path, [*report.parameters, *more], report.attempt)
        found = set(_results(api, answer.content, report))
        if found & seen:
            _refuse(api, report, "brought the same figures on two pages")
        seen |= found
        yield answer
        if not answer.content.get("has_more"):
            return
        token = answer.content.get("next_page")
        if not isinstance(token, str) or not token:
            _refuse(api, report, "promised a further page and named none")
        if not found:
            _refuse(api, report, "promised further pages after one without any day")
        more = [("page", token)]
    _refuse(api, report, f"has more than {_MAX_PAGES} pages")


def by_day(answers: Iterable[Answer], day_of: DayOf) -> dict[date, list[Content]]:
    """Return the results of all pages per day; a day with a bucket and no results has none."""
    days: dict[date, list[Content]] = {}
    for answer in answers:
        for bucket in answer.content["data"]:
            days.setdefault(day_of(bucket), []).extend(bucket["results"])
    return days


def compare_days(api: JsonApi, details: Iterable[date], totals: Iterable[date], what: str) -> None:
    """Make sure that two answers speak of the same days, of those that have ended.

    Raises: TransientError: one of them was cut short.
    """
    odd = {day for day in {*details} ^ {*totals} if day < api.today}
    if odd:
        api.fail(TransientError, what, f"told of {min(odd)} in only one of two answers")


def controls(
    details: dict[date, list[Content]],
    totals: dict[date, list[Content]],
    money_of: MoneyOf,
    ended_before: date,
    source: str,
    most_places: int | None = None,
) -> Iterator[ControlTotal]:
    """Yield the ungrouped total per currency of each ended day; a running day moves between calls.

    Both sides are rounded at the provider's scale, the most decimals that any figure of the day
    has, and `most_places` where figures come as floating point, whose last digits are noise. A
    currency that only the details have is controlled by 0.
    """
    for day in sorted({*details, *totals}):
        if day >= ended_before:
            continue
        parts = list(_usable(details.get(day, ()), money_of))
        stated = [money_of(result) for result in totals.get(day, ())]
        places = max((money.decimals(amount) for _, amount in (*parts, *stated)), default=0)
        places = places if most_places is None else min(places, most_places)
        for currency in sorted({code for code, _ in (*parts, *stated)}):
            yield ControlTotal(
                DayRange(day, day),
                currency,
                "amount",
                money.total(amount for code, amount in stated if code == currency),
                source,
                scale=places,
                terms=len(parts),
            )


def complete_through(days: Iterable[date], today: date) -> date | None:
    """Return the last ended day that has a bucket: earlier days without costs had none."""
    return max((day for day in days if day < today), default=None)


def line(purpose: str, answer: Answer, **facts: str | None) -> bytes:
    """Spell a page as one line of a stored part, its numbers as they came."""
    # A line break inside JSON's strings is escaped: any other is mere layout.
    text = answer.text.replace("\r", " ").replace("\n", " ")
    head = json.dumps({"purpose": purpose, **facts}, sort_keys=True)
    return f'{head[:-1]}, "answer": {text}}}\n'.encode()


def stored_pages(fetched: Fetched, landing: Landing) -> Iterator[dict[str, Any]]:
    """Yield the stored lines of a delivery as {purpose, ..., answer}, numbers as Decimal.

    Raises: PayloadError if a line is no JSON.
    """
    return documents(fetched, landing, parse_float=Decimal)


def rows(
    stored: Iterable[dict[str, Any]],
    day_of: DayOf,
    row: Callable[[dict[str, Any], date, Content], Row],
) -> Iterator[Row | Reject]:
    """Yield a row per result of the stored pages; one that cannot be typed is rejected by day."""
    for page in stored:
        for bucket in page["answer"]["data"]:
            day = day_of(bucket)
            for result in bucket["results"]:
                try:
                    yield row(page, day, result)
                except (KeyError, TypeError, ValueError) as error:
                    raw = json.dumps(result, sort_keys=True, default=str)[:2000]
                    yield Reject(0, raw, f"{type(error).__name__}: {error}", day)


def compare_measures(
    api: JsonApi,
    details: Mapping[date, list[Content]],
    totals: Mapping[date, list[Content]],
    measures: Mapping[str, tuple[str, ...]],
    what: str,
) -> None:
    """Make sure that the groups of a day that has ended add up to its total, measure by measure.

    Raises: TransientError where they do not: a page was lost, or figures moved in between.
    """
    for day in (day for day in details if day < api.today):
        for measure, path in measures.items():
            groups, total = _summed(details[day], path), _summed(totals.get(day, ()), path)
            if groups != total:
                api.fail(
                    TransientError,
                    what,
                    f"has {groups} {measure} in groups on {day} and {total} in total",
                )


def at(result: Content, path: tuple[str, ...]) -> Any:
    """Return what lies at a path of names; None where a step is missing or no object."""
    value: Any = result
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def midnight(day: date) -> str:
    """Spell the start of a UTC day as RFC 3339."""
    return f"{day}T00:00:00Z"


def _results(api: JsonApi, content: Content, report: Report) -> Iterator[tuple[date, str]]:
    """Yield (day, result as text) of a page, one with an empty text for an empty day."""
    buckets = content.get("data")
    if not isinstance(buckets, list):
        _refuse(api, report, "answered without its list `data`")
    for bucket in buckets:
        try:
            day, results = report.day_of(bucket), bucket["results"]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            _refuse(api, report, f"gave a bucket that is no day ({type(error).__name__})")
        if day not in report.days:
            _refuse(api, report, f"spoke of {day}, which was not asked for")
        if not isinstance(results, list) or not all(isinstance(each, dict) for each in results):
            _refuse(api, report, f"gave no list of results for {day}")
        texts = [json.dumps(each, sort_keys=True, default=str) for each in results]
        yield from ((day, text) for text in texts or [""])


def _summed(results: Iterable[Content], path: tuple[str, ...]) -> int:
    """Add up a measure; what is no whole number becomes a reject, which blocks its day."""
    values = (at(result, path) for result in results)
    return sum(value for value in values if isinstance(value, int))


def _usable(results: Iterable[Content], money_of: MoneyOf) -> Iterator[Money]:
    for result in results:
        try:
            yield money_of(result)
        except (KeyError, TypeError, ValueError, ArithmeticError):
            continue  # becomes a reject, which blocks its day


def _refuse(api: JsonApi, report: Report, what: str) -> NoReturn:
    api.fail(PayloadError, report.attempt, what)


def whole_day(seconds: int) -> date:
    """Return the UTC day that starts at a Unix time.

    Raises: ValueError if none does.
    """
    day, rest = divmod(seconds, 86_400)
    if rest:
        raise ValueError(f"{seconds} is not the start of a UTC day")
    return date(1970, 1, 1) + timedelta(days=day)
