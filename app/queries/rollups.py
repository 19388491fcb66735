"""Where a question about costs finds few rows: in sums by one dimension, or by who bears them.

A question that tells apart, by groups and filters, at most one dimension beside provider and
account (or services within categories) is answered from fct_costs_by_dimension: whole weeks or
months by rows of their own, the days around them by theirs. One that tells no accounts apart is
answered from its sums over all of them, fct_total_costs_by_dimension, for who sees everything. One
that tells apart teams, cost centers and environments alone is answered from fct_team_costs, one
that tells a tag apart from fct_tag_costs. One that tells several dimensions apart takes its whole
months from fct_monthly_costs, which has them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from typing import Any, Final, Literal

from app.queries.catalog import Grain
from astraeus_pipeline.contracts.days import DayRange

TABLE: Final = "marts.fct_costs_by_dimension"
# The same of all accounts together, which nobody who is scoped to some of them may read.
TOTALS: Final = "marts.fct_total_costs_by_dimension"
# The dimensions of the catalogue that it has; of every account, so accounts and providers are free.
ROLLED: Final = frozenset({"category", "service", "sub_account", "region", "charge"})
_FREE: Final = frozenset({"provider", "account"})
# Rows by the delivery that a day stands in, as `member`: a proof, not a dimension of questions.
DELIVERY: Final = "delivery"
MONTHS: Final = "marts.fct_monthly_costs"
OF_TAGS: Final = "marts.fct_tag_costs"
OF_BEARERS: Final = "marts.fct_team_costs"
_BEARERS: Final = frozenset({"team", "cost_center", "environment"})
_DAY: Final = timedelta(days=1)
_COLUMNS: Final = (
    "account_id, sub_account_id, service_category, service_name, region_id, charge_category,"
    " billing_currency, is_final, list_cost, contracted_cost, effective_cost, billed_cost"
)
PERIODS: Final[dict[Grain, str]] = {
    "day": "costs.period_start",
    "week": "date_trunc('week', costs.period_start)::date",
    "month": "date_trunc('month', costs.period_start)::date",
}


def dimension_of(asked: Iterable[str]) -> str | None:
    """Return the dimension of the rows that tell all of these apart; None where none does."""
    own = set(asked) - _FREE
    if not own:
        return "account"
    if own == {"service", "category"}:
        return "service"
    return own.pop() if len(own) == 1 and own <= ROLLED else None


def is_of_all(asked: Iterable[str]) -> bool:
    """Whether the sums over all accounts answer: neither provider nor account is told apart."""
    return not set(asked) & _FREE


def is_of_bearers(asked: Iterable[str]) -> bool:
    """Whether the rows by who bears costs tell all of these apart."""
    return set(asked) <= _BEARERS | _FREE


def is_of_tags(asked: Iterable[str]) -> bool:
    """Whether the rows by tags tell all of these apart."""
    return set(asked) <= _FREE | {"tag"}


def columns_of(dimension: str | None) -> Callable[[str, str], str]:
    """Return where dimensions of the catalogue stand in its rows: by key and `column` elsewhere."""

    def column_of(key: str, column: str) -> str:
        if key == dimension:
            return "costs.member" if key in ROLLED else column
        return column

    return column_of


def condition(
    days: DayRange,
    grain: Grain | None,
    dimension: str | None,
    parameters: dict[str, Any],
    final_through: date | None = None,
) -> str:
    """Return the condition over `costs` of the rows that make up the days; bind its values.

    `dimension` is None for sums that have each cost but once per grain. No row has days on either
    side of `final_through`.
    """
    rows = [
        f"(costs.grain = '{unit}' and costs.period_start{between})"
        for unit, between in _bound(days, grain, parameters, final_through)
    ]
    condition = rows[0] if len(rows) == 1 else f"({' or '.join(rows)})"
    if dimension is None:
        return condition
    parameters["dimension"] = dimension
    return f"costs.dimension = :dimension and {condition}"


def _bound(
    days: DayRange, grain: Grain | None, parameters: dict[str, Any], final_through: date | None
) -> list[tuple[Grain, str]]:
    bound: list[tuple[Grain, str]] = []
    for number, (unit, span) in enumerate(_spans(days, grain, final_through), start=1):
        first, last = f"first_{number}", f"last_{number}"
        parameters |= {first: span.first, last: span.last}
        bound.append((unit, f" between :{first} and :{last}"))
    return bound


def _spans(
    days: DayRange, grain: Grain | None, final_through: date | None
) -> Iterator[tuple[Grain, DayRange]]:
    """Yield the days that whole weeks or months make up, and those that stand by themselves."""
    for part in _cut(days, None if grain == "day" else final_through):
        unit, whole = whole_periods(part, grain)
        if whole is None:
            yield "day", part
            continue
        yield unit, whole
        if part.first < whole.first:
            yield "day", DayRange(part.first, whole.first - _DAY)
        if whole.last < part.last:
            yield "day", DayRange(whole.last + _DAY, part.last)


def _cut(days: DayRange, after: date | None) -> Iterator[DayRange]:
    if after is None or not days.first <= after < days.last:
        yield days
        return
    yield DayRange(days.first, after)
    yield DayRange(after + _DAY, days.last)


def whole_periods(
    days: DayRange, grain: Grain | None
) -> tuple[Literal["week", "month"], DayRange | None]:
    """Return the days of the whole weeks or months in a range, None if it has none or must not.

    Months, unless weeks are asked for; none for days, which are to be told apart.
    """
    unit: Literal["week", "month"] = "week" if grain == "week" else "month"
    if grain == "day":
        return unit, None
    if unit == "week":
        first = days.first + timedelta(days=-days.first.weekday() % 7)
        last = days.last - timedelta(days=(days.last.weekday() + 1) % 7)
    else:
        month = DayRange.of_month(days.first)
        first = days.first if days.first == month.first else month.last + _DAY
        end = DayRange.of_month(days.last)
        last = days.last if days.last == end.last else end.first - timedelta(days=1)
    return unit, DayRange(first, last) if first <= last else None


def with_months(
    days: DayRange, grain: Grain | None, parameters: dict[str, Any], final_through: date | None
) -> str | None:
    """Return the rows of these days as `costs`: whole months as such, the days around as they are.

    With the columns of the daily costs that questions need, `usage_date` of a month being its first
    day; binds the days. No row has days on either side of `final_through`. None where there is no
    whole month, or weeks or days are to be told apart.
    """
    bound = [] if grain == "week" else _bound(days, grain, parameters, final_through)
    if not any(unit == "month" for unit, _ in bound):
        return None
    parts = [
        f"select month as usage_date, {_COLUMNS} from {MONTHS} where month{between}"  # noqa: S608 - names of this module
        if unit == "month"
        else f"select usage_date, {_COLUMNS} from marts.fct_daily_costs where usage_date{between}"  # noqa: S608 - names of this module
        for unit, between in bound
    ]
    return f"({' union all '.join(parts)}) as costs"
