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

from collections.abc import Callable, Iterable
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
    days: DayRange, grain: Grain | None, dimension: str | None, parameters: dict[str, Any]
) -> str:
    """Return the condition over `costs` of the rows that make up the days; bind its values.

    `dimension` is None for sums that have each cost but once per grain.
    """
    condition = _of_periods(days, grain, parameters)
    if dimension is None:
        return condition
    parameters["dimension"] = dimension
    return f"costs.dimension = :dimension and {condition}"


def _of_periods(days: DayRange, grain: Grain | None, parameters: dict[str, Any]) -> str:
    unit, whole = whole_periods(days, grain)
    if whole is None:
        parameters |= {"first": days.first, "last": days.last}
        return _rows("day", "first", "last")
    parameters |= {"from_whole": whole.first, "to_whole": whole.last}
    parts = [_rows(unit, "from_whole", "to_whole")]
    if days.first < whole.first:
        parameters |= {"first": days.first, "before": whole.first - timedelta(days=1)}
        parts.append(_rows("day", "first", "before"))
    if whole.last < days.last:
        parameters |= {"after": whole.last + timedelta(days=1), "last": days.last}
        parts.append(_rows("day", "after", "last"))
    return parts[0] if len(parts) == 1 else f"({' or '.join(parts)})"


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
        first = days.first if days.first == month.first else _day_after(month)
        end = DayRange.of_month(days.last)
        last = days.last if days.last == end.last else end.first - timedelta(days=1)
    return unit, DayRange(first, last) if first <= last else None


def _day_after(days: DayRange) -> date:
    return days.last + timedelta(days=1)


def _rows(grain: Grain, first: str, last: str) -> str:
    return f"(costs.grain = '{grain}' and costs.period_start between :{first} and :{last})"


def with_months(days: DayRange, grain: Grain | None, parameters: dict[str, Any]) -> str | None:
    """Return the rows of these days as `costs`: whole months as such, the days around as they are.

    With the columns of the daily costs that questions need, `usage_date` of a month being its first
    day; binds the days. None where there is no whole month, or weeks or days are to be told apart.
    """
    unit, whole = whole_periods(days, grain)
    if whole is None or unit != "month":
        return None
    parameters |= {"from_whole": whole.first, "to_whole": whole.last}
    between = " between :from_whole and :to_whole"
    parts = [f"select month as usage_date, {_COLUMNS} from {MONTHS} where month{between}"]  # noqa: S608 - names of this module
    around = []
    if days.first < whole.first:
        parameters |= {"first": days.first, "before": whole.first - timedelta(days=1)}
        around.append("usage_date between :first and :before")
    if whole.last < days.last:
        parameters |= {"after": whole.last + timedelta(days=1), "last": days.last}
        around.append("usage_date between :after and :last")
    parts += [
        f"select usage_date, {_COLUMNS} from marts.fct_daily_costs where {each}"  # noqa: S608 - names of this module
        for each in around
    ]
    return f"({' union all '.join(parts)}) as costs"
