"""Statements about budgets: how they stand, their days, thresholds and former periods."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from app.queries.compiler import Statement

# The worst first; a share in percent beside every amount, so that pages need not divide.
STATES: Final = ("over", "forecast_over", "at_risk", "on_track", "no_data")
_COLUMNS: Final = (
    "budget_id, name, owner, period, period_start, period_end, billing_currency, cost_type,"
    " filters, budget_amount, data_through, settled_through, accounts, missing_days, partial_days,"
    " estimated_days, other_currencies, actual_cost, 100 * actual_share as used_percent,"
    " remaining_cost, days_left, 100 * expected_share as expected_percent,"
    " 100 * (actual_share - expected_share) as ahead_points, pace_state,"
    " forecast_as_of, forecast_through, forecast_known_cost, forecast_cost,"
    " forecast_cost - budget_amount as forecast_over, lower_cost, upper_cost,"
    " lower_cost - budget_amount as lower_over, upper_cost - budget_amount as upper_over,"
    " 100 * forecast_share as forecast_percent, breach_date, forecast_breach_date,"
    " coalesce(breach_date, forecast_breach_date) as passed_on, state"
)

STANDINGS: Final = Statement(
    f"select {_COLUMNS} from marts.fct_budget_status where is_latest"  # noqa: S608 - names of this module
    " order by array_position(array['over', 'forecast_over', 'at_risk', 'on_track', 'no_data'],"
    " state), actual_share desc nulls last, lower(name)",
    (),
)


def compile_periods(budget_id: int) -> Statement:
    """Return the statement of all periods of a budget, the newest first."""
    return Statement(
        f"select {_COLUMNS} from marts.fct_budget_status where budget_id = :budget"  # noqa: S608 - names of this module
        " order by period_start desc",
        (("budget", budget_id),),
    )


def compile_days(budget_id: int, period_start: object) -> Statement:
    """Return the statement of a period's days: cumulative cost beside the even pace."""
    return Statement(
        "select usage_date, cost, cumulative_cost, even_cost, "
        " cumulative_cost - even_cost as ahead_cost, is_settled"
        " from marts.fct_budget_days where budget_id = :budget and period_start = :start"
        " order by usage_date",
        (("budget", budget_id), ("start", period_start)),
    )


def compile_thresholds(budget_id: int, period_start: object) -> Statement:
    """Return the statement of a period's thresholds, the lowest first."""
    return Statement(
        "select basis, 100 * share as percent, threshold_amount, cost, crossed, crossed_on,"
        " expected_on from marts.fct_budget_thresholds"
        " where budget_id = :budget and period_start = :start order by basis, share",
        (("budget", budget_id), ("start", period_start)),
    )


# What a budget can be narrowed by, with the word of the Costs page, where that knows it.
SCOPES: Final = {
    "provider": ("Provider", "provider"),
    "account_id": ("Account", "account"),
    "team": ("Team", "team"),
    "service_category": ("Service category", "category"),
    "service_name": ("Service", "service"),
    "cost_center": ("Cost center", "cost_center"),
    "environment": ("Environment", "environment"),
    "sub_account_id": ("Sub account", "sub_account"),
    "region_id": ("Region", "region"),
    "charge_category": ("Charge category", "charge"),
}
_ALLOCATED: Final = ("team", "cost_center", "environment")


def compile_values(column: str) -> Statement:
    """Return the statement that lists what costs have in a column of SCOPES, the dearest first.

    `member` is null for costs that have none. Raises: KeyError for another column.
    """
    SCOPES[column]  # a name of this module, never a person's
    if column in _ALLOCATED:
        return _values(column, "fct_daily_allocated_costs")
    # Months are enough to know what there is.
    return replace(_values(column, "fct_monthly_costs"), by_day=_values(column, "fct_daily_costs"))


def _values(column: str, table: str) -> Statement:
    return Statement(
        f"select {column} as member from marts.{table}"  # noqa: S608 - names of this module
        " group by 1 order by sum(abs(effective_cost)) desc, 1",
        (),
    )
