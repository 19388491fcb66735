"""The running month: what is forecast of it, which budget it has, what nobody bears, its pace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from app.queries.catalog import ACCOUNTS, METRICS, Basis
from app.queries.compiler import Filters, Statement, conditions_of
from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange


def compile_forecast(month: date, currency: str, filters: Filters) -> Statement:
    """Return the statement of a month's forecast, of one row: effective cost.

    Columns out: accounts (with a forecast), forecast_cost (their sum, null for none), lower_cost
    and upper_cost (only of a single account: bounds do not add up), as_of (the earliest).
    `filters` are of the dimensions provider and account.
    """
    parameters: dict[str, Any] = {"month": month, "currency": currency}
    conditions = conditions_of(filters, parameters)
    return Statement(
        "select count(*) as accounts, sum(costs.forecast_cost) as forecast_cost,"  # noqa: S608 - names of the catalogue
        " case when count(*) = 1 then min(costs.lower_cost) end as lower_cost,"
        " case when count(*) = 1 then min(costs.upper_cost) end as upper_cost,"
        " min(costs.as_of) as as_of"
        f" from marts.fct_forecasts as costs left join {ACCOUNTS}"
        " on accounts.account_id = costs.account_id"
        " where costs.scope = 'account' and costs.month = :month"
        " and costs.billing_currency = :currency"
        + "".join(f" and {condition}" for condition in conditions),
        tuple(sorted(parameters.items())),
    )


def compile_budgets(month: date, currency: str) -> Statement:
    """Return the statement of how the budgets of a month stand, of one row.

    Columns out: budgets, in_trouble (over, forecast to be, or at risk), and of the budget without
    any filter, if there is one: budget_amount, used_percent, ahead_points (used less the share of
    the month that is over, in percentage points), cost_type.
    """
    return Statement(
        "select count(*) as budgets,"
        " count(*) filter (where state in ('over', 'forecast_over', 'at_risk')) as in_trouble,"
        " (array_agg(budget_amount order by budget_id) filter (where filters = '{}'"
        " and period = 'month'))[1] as budget_amount,"
        " (array_agg(100 * actual_share order by budget_id) filter (where filters = '{}'"
        " and period = 'month'))[1] as used_percent,"
        " (array_agg(100 * (actual_share - expected_share) order by budget_id)"
        " filter (where filters = '{}' and period = 'month'))[1] as ahead_points"
        " from marts.fct_budget_status where billing_currency = :currency"
        " and :month between period_start and period_end",
        (("currency", currency), ("month", month)),
    )


def compile_unallocated(days: DayRange, currency: str, basis: Basis, filters: Filters) -> Statement:
    """Return the statement of `cost`, `unallocated_cost` and `unallocated_percent` of days.

    The share is null where there is no cost, and where no rule finds any team.
    """
    parameters: dict[str, Any] = {"first": days.first, "last": days.last, "currency": currency}
    conditions = conditions_of(filters, parameters)
    cost = METRICS[basis].column
    return Statement(
        "select cost, unallocated_cost, case when teams > 0"  # noqa: S608 - names of the catalogue
        " then 100 * unallocated_cost / nullif(cost, 0) end as unallocated_percent from ("
        f" select sum(costs.{cost}) as cost, count(costs.team) as teams,"
        f" coalesce(sum(costs.{cost}) filter (where costs.team is null), 0) as unallocated_cost"
        f" from marts.fct_daily_team_costs as costs left join {ACCOUNTS}"
        " on accounts.account_id = costs.account_id"
        " where costs.usage_date between :first and :last and costs.billing_currency = :currency"
        + "".join(f" and {condition}" for condition in conditions)
        + ") as summed",
        tuple(sorted(parameters.items())),
    )


@dataclass(frozen=True)
class Point:
    """A day of the month: what was spent up to it, and how far that is ahead of an even pace."""

    day: date
    spent: Decimal
    ahead: Decimal | None


def burn(rows: Sequence[dict[str, Any]], month: DayRange, amount: Decimal | None) -> list[Point]:
    """Return the points of the days that have data, in a whole `month` of which `amount` is even.

    `rows` are daily costs; a day without data is left out, and the next one adds up all before it.
    """
    costs = {row["period"]: row["cost"] for row in rows}
    spent = money.ZERO
    points = []
    for number, day in enumerate(month, start=1):
        if day not in costs:
            continue
        spent = money.add(spent, costs[day])
        even = None if amount is None else amount * number / len(month)
        points.append(Point(day, spent, None if even is None else money.subtract(spent, even)))
    return points


def over(end: Decimal | None, amount: Decimal | None) -> Decimal | None:
    """Return how far an end lies above an amount; None where either is unknown."""
    return None if end is None or amount is None else money.subtract(end, amount)
