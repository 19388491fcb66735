"""What a summary tells beside its costs: budgets, anomalies, forecast, savings of its scope.

Each returns None where its mart does not know such a scope, or is not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import psycopg

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.summaries.figures import Anomaly, Budget, Forecast, Savings, Scope
from astraeus_pipeline.warehouse.summary_scope import ScopedAccount, costs_of, parameters_of

_LISTED: Final = 5
_BUDGETS: Final = """
    select name, period_start, period_end, budget_amount, actual_cost, forecast_cost, cost_type,
        state, filters
    from marts.fct_budget_status
    where billing_currency = %s and %s between period_start and period_end
    order by
        array_position(array['over', 'forecast_over', 'at_risk', 'on_track', 'no_data'], state),
        name
"""
# Their own dimensions: columns of the daily costs.
_BUDGET_COLUMNS: Final = {
    "account": ("account_id", None),
    "category": ("service_category", "No category"),
    "service": ("service_name", None),
    "sub_account": ("sub_account_id", "No sub account"),
    "region": ("region_id", "No region"),
    "charge": ("charge_category", None),
}
_ANOMALIES: Final = """
    select account_id, service_name, start_date, end_date, reason, severity, excess_cost,
        start_date <= %(last)s and end_date >= %(first)s
    from marts.fct_cost_anomalies
    where kind = 'cost' and scope = 'service' and state = 'open'
        and billing_currency = %(currency)s and account_id = any(%(accounts)s)
        {conditions}
    order by excess_cost desc, anomaly_id
"""
_FORECASTS: Final = """
    select count(*), min(as_of), sum(forecast_cost), sum(booked_cost),
        case when count(*) = 1 then min(lower_cost) end,
        case when count(*) = 1 then min(upper_cost) end,
        count(distinct account_id)
    from marts.fct_forecasts
    where month = date_trunc('month', %(today)s::date) and billing_currency = %(currency)s
        and {conditions}
"""
_SAVINGS: Final = """
    select
        sum(monthly_saving) filter (where counts_in_total and billing_currency = %(currency)s),
        count(*) filter (
            where counts_in_total and billing_currency = %(currency)s and monthly_saving is not null
        ),
        count(*),
        count(*) filter (where monthly_saving is null),
        count(*) filter (where monthly_saving is not null and billing_currency <> %(currency)s)
    from marts.fct_recommendations
    where state = 'open' and account_id = any(%(accounts)s) {conditions}
"""
_SUB_ACCOUNT: Final = "coalesce(sub_account_id, 'No sub account') = any(%(only_sub_account)s)"
_SERVICE: Final = "service_name = any(%(only_service)s)"
_REGION: Final = "coalesce(region_id, 'No region') = any(%(only_region)s)"


def budgets(
    conn: psycopg.Connection, scope: Scope, days: DayRange, accounts: Sequence[ScopedAccount]
) -> list[Budget] | None:
    """Return the budgets that lie within the scope, of the periods that hold the last day."""
    if not _is_there(conn, "fct_budget_status"):
        return None
    rows = conn.execute(_BUDGETS, [scope.billing_currency, days.last])
    return [Budget(*row) for *row, filters in rows if _lies_within(filters, scope, accounts)]


def anomalies(
    conn: psycopg.Connection, scope: Scope, days: DayRange, accounts: Sequence[ScopedAccount]
) -> tuple[list[Anomaly] | None, int]:
    """Return the costliest open incidents that touch the days, and how many open ones are left."""
    known = {"sub_account": _SUB_ACCOUNT, "service": _SERVICE}
    conditions = _conditions(scope, known)
    if conditions is None or not _is_there(conn, "fct_cost_anomalies"):
        return None, 0
    sql = _ANOMALIES.replace("{conditions}", "".join(f" and {each}" for each in conditions))
    rows = conn.execute(sql.encode(), _bound(scope, days, accounts)).fetchall()
    listed = [Anomaly(*row) for *row, touches in rows if touches][:_LISTED]
    return listed, len(rows) - len(listed)


def forecast(
    conn: psycopg.Connection,
    scope: Scope,
    days: DayRange,
    accounts: Sequence[ScopedAccount],
    today: date,
) -> Forecast | None:
    """Return what the running month is forecast at, by the series that fit the scope."""
    bound = {**_bound(scope, days, accounts), "today": today}
    if scope.team is not None:
        conditions = [] if scope.filters else ["scope = 'team'", "team = %(team)s"]
    else:
        found = _conditions(scope, {"sub_account": _SUB_ACCOUNT, "service": _SERVICE})
        series = "account" if found == [] else "service"
        conditions = [] if found is None else [f"scope = '{series}'", *found]
        conditions += ["account_id = any(%(accounts)s)"] if conditions else []
    if not conditions or not _is_there(conn, "fct_forecasts"):
        return None
    sql = _FORECASTS.replace("{conditions}", " and ".join(conditions))
    row = conn.execute(sql.encode(), bound).fetchone()
    if row is None or not row[0]:
        return None
    _, as_of, cost, booked, lower, upper, known = row
    is_team = scope.team is not None
    of_accounts = None if is_team else _charged(conn, scope, days)
    month = today.replace(day=1)
    return Forecast(
        *(month, as_of, cost, booked, lower, upper, None if is_team else known, of_accounts)
    )


def savings(
    conn: psycopg.Connection, scope: Scope, accounts: Sequence[ScopedAccount]
) -> Savings | None:
    """Return what open recommendations would save, as far as it may be added up."""
    conditions = _conditions(scope, {"sub_account": _SUB_ACCOUNT, "region": _REGION})
    if conditions is None or not _is_there(conn, "fct_recommendations"):
        return None
    sql = _SAVINGS.replace("{conditions}", "".join(f" and {each}" for each in conditions))
    today = DayRange(date.min, date.min)  # recommendations are of now, not of days
    row = conn.execute(sql.encode(), _bound(scope, today, accounts)).fetchone()
    return None if row is None else Savings(*row)


def _conditions(scope: Scope, known: Mapping[str, str]) -> list[str] | None:
    """Return the conditions of a scope, None where it asks for what rows do not know.

    Providers and accounts are in the list of accounts already.
    """
    asked = scope.filters.keys() - {"provider", "account"}
    if scope.team is not None or not asked <= known.keys():
        return None
    return [known[key] for key in sorted(asked)]


def _bound(scope: Scope, days: DayRange, accounts: Sequence[ScopedAccount]) -> dict[str, Any]:
    return {**parameters_of(scope, days), "accounts": [each.account_id for each in accounts]}


def _charged(conn: psycopg.Connection, scope: Scope, days: DayRange) -> int:
    """Return how many accounts have costs in scope."""
    scoped = costs_of(scope).replace("{days}", "costs.usage_date between %(first)s and %(last)s")
    row = conn.execute(
        f"select count(distinct account_id) from ({scoped}) as scoped".encode(),  # noqa: S608 - ours
        parameters_of(scope, days),
    ).fetchone()
    return int(row[0]) if row else 0


def _lies_within(
    filters: Mapping[str, Sequence[str | None]], scope: Scope, accounts: Sequence[ScopedAccount]
) -> bool:
    """Whether a budget covers nothing beyond the scope."""
    if scope.team is not None and list(filters.get("team", [])) != [scope.team]:
        return False
    for key, wanted in scope.filters.items():
        if key == "provider":
            slugs = {each.account_id for each in accounts}
            providers = {each.provider for each in accounts} - {"focus"}
            of = filters.get("account_id")
            narrowed = (of is not None and set(of) <= slugs) or (
                "provider" in filters and set(filters["provider"]) <= providers
            )
            if not narrowed:
                return False
            continue
        column, missing = _BUDGET_COLUMNS[key]
        if column not in filters:
            return False
        if not {missing if each is None else each for each in filters[column]} <= set(wanted):
            return False
    return True


def _is_there(conn: psycopg.Connection, mart: str) -> bool:
    row = conn.execute("select to_regclass(%s) is not null", [f"marts.{mart}"]).fetchone()
    return row is not None and bool(row[0])
