"""Named periods and their comparison, in UTC days."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from app.queries.catalog import Grain
from astraeus_pipeline.contracts.days import DayRange

PRESETS: Final = ("Month to date", "Last month", "30 days", "90 days", "12 months", "Custom")
COMPARISONS: Final = ("Previous period", "Last year", "None")
# The days of a month: as many points as the small line beside a row has room for.
TREND_POINTS: Final = 31


def period(name: str, through: date) -> DayRange:
    """Return the days of a named period that ends with the last day delivered, `through`."""
    month = through.replace(day=1)
    if name == "Last month":
        return DayRange.of_month(month - timedelta(days=1))
    if name == "30 days":
        return DayRange(through - timedelta(days=29), through)
    if name == "90 days":
        return DayRange(through - timedelta(days=89), through)
    if name == "12 months":
        return DayRange(_months_back(month, 11), through)
    return DayRange(month, through)


def compared(days: DayRange, how: str) -> DayRange | None:
    """Return the days to compare with, None if nothing is compared.

    A range that begins a month is compared with as many days of the month before, so that firsts
    meet firsts; a whole month with the whole month before; anything else with the days before it.
    """
    if how == "None":
        return None
    if how == "Last year":
        return DayRange(_months_back(days.first, 12), _months_back(days.last, 12))
    if days.first.day == 1 and days.last <= DayRange.of_month(days.first).last:
        return month_before(days)
    return days_before(days)


def month_before(days: DayRange) -> DayRange:
    """Return as many days of the month before, clamped; all of it for a whole month."""
    before = DayRange.of_month(days.first - timedelta(days=1))
    if days == DayRange.of_month(days.first):
        return before
    return DayRange(before.first, min(before.first + (days.last - days.first), before.last))


def days_before(days: DayRange) -> DayRange:
    """Return the equally many days that end before the range."""
    return DayRange(days.first - timedelta(days=len(days)), days.first - timedelta(days=1))


def covered(days: DayRange, first: date | None, through: date) -> int:
    """Return how many of the days there can be data of: from the first to the last delivered."""
    begin, end = max(days.first, first or days.first), min(days.last, through)
    return max((end - begin).days + 1, 0)


def through(accounts: Sequence[Mapping[str, Any]]) -> date:
    """Return the last day that every account has delivered, so that all are shown equal days.

    One that ended years ago does not hold back all. Raises: ValueError for no accounts.
    """
    ends: list[date] = [row["data_through"] for row in accounts]
    newest = max(ends)
    return min(each for each in ends if (newest - each).days <= 7)


def final_through(accounts: Sequence[Mapping[str, Any]]) -> date | None:
    """Return the end of the last month through which all days of all accounts are final, if any.

    By the states of days: some providers call nothing final, their months are once they have closed
    and been read again. Others mark their charges, also in a month that is not final as a whole.
    """
    ends = [row["final_through"] for row in accounts]
    if not ends or None in ends:
        return None
    month = DayRange.of_month(min(ends))
    return month.last if min(ends) == month.last else month.first - timedelta(days=1)


def steps(days: DayRange, grain: Grain) -> list[date]:
    """Return the first days of all periods of a grain that the range touches, as SQL cuts them."""
    if grain == "month":
        return list(days.months())
    if grain == "week":
        first = days.first - timedelta(days=days.first.weekday())
        return list(DayRange(first, days.last))[::7]
    return list(days)


def trend(days: DayRange, grain: Grain) -> tuple[Grain, list[date]]:
    """Return the grain of the small line beside a row, and the first days of its points.

    That of the chart where it has few points, else a coarser one, of whole periods alone: the first
    and the last would seem to rise and fall.
    """
    points = steps(days, grain)
    while len(points) > TREND_POINTS and grain != "month":
        grain = "week" if grain == "day" else "month"
        points = [each for each in steps(days, grain) if _is_whole(each, grain, days)]
    return grain, points


def _is_whole(first: date, grain: Grain, days: DayRange) -> bool:
    last = first + timedelta(days=6) if grain == "week" else DayRange.of_month(first).last
    return days.first <= first and last <= days.last


def versus(days: DayRange, compared: DayRange) -> str:
    """Spell what a range is compared with, and the day counts where they differ."""
    if len(days) == len(compared):
        return f"vs {spell(compared)}"
    return f"vs {spell(compared)} ({len(compared)} days against {len(days)})"


def spell(days: DayRange) -> str:
    """Spell a range as people do: 1-13 Oct 2026."""
    first, last = days.first, days.last
    if first == last:
        return f"{last.day} {last:%b %Y}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}-{last.day} {last:%b %Y}"
    if first.year == last.year:
        return f"{first.day} {first:%b} - {last.day} {last:%b %Y}"
    return f"{first.day} {first:%b %Y} - {last.day} {last:%b %Y}"


def _months_back(day: date, months: int) -> date:
    """Go back whole months; a day that the month lacks becomes its last."""
    index = day.year * 12 + day.month - 1 - months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
