"""Weeks and months that a summary is about, what they are compared with, when it is due."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final, Literal

from astraeus_pipeline.contracts.days import DayRange

Period = Literal["week", "month"]
PERIODS: Final[tuple[Period, ...]] = ("week", "month")
_WEEK: Final = 7
# 52 weeks, as in marts.fct_cost_trends: Mondays meet Mondays.
_YEAR_OF_WEEKS: Final = timedelta(weeks=52)
# A week is told on Wednesday and a month on the 4th, whatever is missing.
_LATEST: Final[dict[Period, timedelta]] = {"week": timedelta(days=3), "month": timedelta(days=4)}


def beginning(period: Period, first: date) -> DayRange:
    """Return the week (from Monday) or month that begins on `first`."""
    if period == "week":
        return DayRange(first, first + timedelta(days=_WEEK - 1))
    return DayRange.of_month(first)


def holding(period: Period, day: date) -> DayRange:
    """Return the week or month that a day lies in."""
    if period == "week":
        return beginning("week", day - timedelta(days=day.weekday()))
    return DayRange.of_month(day)


def last_ended(period: Period, today: date) -> DayRange:
    """Return the last whole week or month before `today`, in UTC days."""
    return holding(period, holding(period, today).first - timedelta(days=1))


def before(period: Period, days: DayRange) -> DayRange:
    """Return the whole week or month before."""
    return last_ended(period, days.first)


def year_before(period: Period, days: DayRange) -> DayRange:
    """Return the week 52 weeks before, or the same month of the year before."""
    if period == "week":
        return DayRange(days.first - _YEAR_OF_WEEKS, days.last - _YEAR_OF_WEEKS)
    return DayRange.of_month(days.first.replace(year=days.first.year - 1))


def alike(days: DayRange, against: DayRange) -> tuple[DayRange, DayRange]:
    """Cut the longer range at its end: equally many days are compared, firsts with firsts."""
    more = timedelta(days=min(len(days), len(against)) - 1)
    return DayRange(days.first, days.first + more), DayRange(against.first, against.first + more)


def latest(period: Period, days: DayRange) -> date:
    """Return the day on which it is told even if bills are missing: Wednesday, or the 4th."""
    return days.last + _LATEST[period]


def is_due(period: Period, days: DayRange, today: date, *, is_complete: bool) -> bool:
    """Whether it is to be told: the period is over, and every bill came or the wait has ended."""
    return today > days.last and (is_complete or today >= latest(period, days))


def spell(days: DayRange) -> str:
    """Spell a range as 2026-11-16 to 2026-11-22."""
    return str(days.first) if days.first == days.last else f"{days.first} to {days.last}"
