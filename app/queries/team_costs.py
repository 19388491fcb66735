"""Costs for who is scoped to teams: nothing of the daily costs, theirs of the allocated."""

from __future__ import annotations

import re
from typing import Final

from app.queries.compiler import Statement

_COSTS: Final = re.compile(r"\bmarts\.fct_daily_costs\b")
_ACCOUNTS: Final = re.compile(r"\bmarts\.dim_accounts\b")
# Whether a charge is final is not allocated with it: none of it is said to be. An account is here
# no more than its name and the days that the team has costs of; its state is not the team's.
_STAND_INS: Final = (
    "team_costs as (select provider, account_id, billing_account_id, sub_account_id,"
    " sub_account_name, service_category, service_name, region_id, charge_category,"
    " billing_currency, usage_date, billing_period, list_cost, contracted_cost, effective_cost,"
    " billed_cost, null::bigint as charges, false as is_final, false as is_invoiced"
    " from marts.fct_daily_allocated_costs),"
    " team_accounts as (select account_id, min(provider) as provider, account_id as account_name,"
    " 'shared' as state, min(usage_date) as first_day, max(usage_date) as data_through,"
    " null::date as final_through, null::timestamptz as last_delivery_at, 0 as blocked_days,"
    " true as is_current from marts.fct_daily_allocated_costs group by account_id)"
)


def as_allocated(statement: Statement) -> Statement:
    """Return the statement asked of the allocated costs, where it asks for daily costs."""
    statement = statement.by_day or statement
    sql = _ACCOUNTS.sub("team_accounts", _COSTS.sub("team_costs", statement.sql))
    if sql == statement.sql:
        return statement
    rest = f", {sql[5:]}" if sql[:5].lower() == "with " else f" {sql}"
    return Statement(f"with {_STAND_INS}{rest}", statement.parameters)
