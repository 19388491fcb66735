"""Whether a payload sums to its provider's own totals, and which days do not. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Fetched
from astraeus_pipeline.warehouse.survey import Survey


@dataclass(frozen=True)
class Control:
    """A provider's total beside what the payload's rows sum to; residual = loaded - stated."""

    days: DayRange
    currency: str
    cost_type: str
    stated: Decimal
    loaded: Decimal
    tolerance: Decimal
    source: str

    @property
    def residual(self) -> Decimal:
        """What the rows hold beyond the provider's total, unrounded."""
        return money.subtract(self.loaded, self.stated)

    @property
    def is_tied(self) -> bool:
        """Whether rounding alone explains the residual."""
        return abs(self.residual) <= self.tolerance

    @property
    def is_daily(self) -> bool:
        """Whether it speaks of one day."""
        return len(self.days) == 1

    def as_json(self) -> dict[str, str]:
        """Return the comparison with exact amounts as text."""
        return {
            "first_day": str(self.days.first),
            "last_day": str(self.days.last),
            "currency": self.currency,
            "cost_type": self.cost_type,
            "stated": money.plain(self.stated),
            "loaded": money.plain(self.loaded),
            "residual": money.plain(self.residual),
            "tolerance": money.plain(self.tolerance),
            "source": self.source,
        }

    def __str__(self) -> str:
        return (
            f"{self.source} states {money.plain(self.stated)} {self.currency} of {self.cost_type}"
            f" for {self.days}, the payload's rows sum to {money.plain(self.loaded)}:"
            f" residual {money.plain(self.residual)}"
        )


@dataclass(frozen=True)
class Objections:
    """Why a payload contradicts its provider: as a whole, or on single days."""

    controls: Sequence[Control]
    whole: str | None = None
    by_day: dict[date, str] = field(default_factory=dict)

    def against(self, day: date) -> str | None:
        """Return what speaks against a day, None if nothing does."""
        return self.whole or self.by_day.get(day)


def compare(fetched: Fetched, survey: Survey) -> Objections:
    """Hold the surveyed rows against the delivery's announced rows and control totals.

    Rows in quarantine explain a residual by themselves: their days are blocked anyway.
    """
    controls = [*_stated(fetched, survey), *_unstated(fetched, survey)]
    expected, found = fetched.expected_rows, survey.rows + survey.rejected_rows
    if expected is not None and expected != found and not fetched.row_counts:
        announced = f"{fetched.source_name} announces {expected} rows, the payload holds {found}"
        return Objections(controls, announced)
    if survey.is_wholly_blocked:
        return Objections(controls)
    coarse = [each for each in controls if not each.is_daily and not _is_explained(each, controls)]
    coarse = [each for each in coarse if not any(day in each.days for day in survey.blocked_days)]
    if coarse and fetched.billing_period is not None:
        return Objections(controls, str(coarse[0]))
    by_day = _miscounted(fetched, survey)
    for control in (*(each for each in controls if each.is_daily and not each.is_tied), *coarse):
        for day in control.days:
            if day not in survey.blocked_days:
                by_day.setdefault(day, str(control))
    return Objections(controls, None, by_day)


def _miscounted(fetched: Fetched, survey: Survey) -> dict[date, str]:
    """Return the days whose rows are not as many as the provider counts, and what it says."""
    if not fetched.row_counts:
        return {}
    announced = {each.day: each.rows for each in fetched.row_counts}
    found: dict[date, int] = {}
    for each, facts in survey.slices.items():
        found[each.usage_date] = found.get(each.usage_date, 0) + facts.rows
    return {
        day: f"{fetched.source_name} announces {announced.get(day, 0)} rows for {day}, the payload"
        f" holds {found.get(day, 0)}"
        for day in sorted(announced.keys() | found.keys())
        if announced.get(day, 0) != found.get(day, 0) and day not in survey.blocked_days
    }


def _stated(fetched: Fetched, survey: Survey) -> Iterator[Control]:
    for control in fetched.controls:
        yield Control(
            control.days,
            control.currency,
            control.cost_type,
            control.amount,
            survey.control_sum(control),
            control.tolerance,
            control.source,
        )


def _unstated(fetched: Fetched, survey: Survey) -> Iterator[Control]:
    """Yield a zero for money where the provider's daily totals know of none.

    A row that fell into the wrong day or the wrong currency would otherwise be missed on the one
    side and never be looked for on the other. Days before the stated ones, which nobody asked
    about, and after them, which are not settled, stay open; days that a file does not cover do not.
    """
    daily = [control for control in fetched.controls if len(control.days) == 1]
    if not daily:
        return
    bounds: dict[str, tuple[date, date]] = {}
    for each in daily:
        first, last = bounds.get(each.cost_type, (each.days.first, each.days.last))
        bounds[each.cost_type] = (min(first, each.days.first), max(last, each.days.last))
    is_file = fetched.billing_period is not None
    sources = {each.cost_type: each.source for each in daily}
    stated = {(each.days.first, each.currency, each.cost_type) for each in daily}
    found = {
        (day, currency, cost_type)
        for (day, _), facts in survey.slices.items()
        for (currency, cost_type), amount in facts.sums.items()
        if amount and cost_type in bounds
        if bounds[cost_type][0] <= day <= bounds[cost_type][1]
        or (is_file and day not in fetched.days)
    }
    for day, currency, cost_type in sorted(found - stated):
        days, source = DayRange(day, day), sources[cost_type]
        implied = ControlTotal(days, currency, cost_type, money.ZERO, source)
        loaded = survey.control_sum(implied)
        yield Control(days, currency, cost_type, money.ZERO, loaded, money.ZERO, source)


def _is_explained(coarse: Control, controls: Sequence[Control]) -> bool:
    """Whether a total of many days is right, or wrong by just what its days are wrong by."""
    if coarse.is_tied:
        return True
    parts = [
        each
        for each in controls
        if each.is_daily
        and each.days.first in coarse.days
        and (each.currency, each.cost_type) == (coarse.currency, coarse.cost_type)
    ]
    if {each.days.first for each in parts} != set(coarse.days):
        return False
    rest = money.subtract(coarse.residual, money.total(each.residual for each in parts))
    return abs(rest) <= money.add(coarse.tolerance, money.total(each.tolerance for each in parts))
