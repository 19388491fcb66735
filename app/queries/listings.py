"""Statements that list what there is: accounts, currencies, freshness, restatements."""

from __future__ import annotations

from typing import Final

from app.queries import rollups
from app.queries.catalog import PROVIDER_NAME
from app.queries.compiler import Statement


def _fixed(sql: str) -> Statement:
    return Statement(sql, ())


VERSION: Final = _fixed("select invocation_id, built_at from marts.data_version")

# What the reader may read of the marts, column by column.
COLUMNS: Final = _fixed(
    "select relname as mart, attname as name, format_type(atttypid, null) as type"
    " from pg_catalog.pg_class inner join pg_catalog.pg_attribute on attrelid = pg_class.oid"
    " inner join pg_catalog.pg_namespace on pg_namespace.oid = relnamespace"
    " where nspname = 'marts' and relkind in ('r', 'p', 'v') and attnum > 0 and not attisdropped"
    " and has_table_privilege(pg_class.oid, 'select') order by relname, attnum"
)

_WEIGHTS: Final = "select billing_currency as currency, sum(abs(billed_cost)) as weight"
_OF_MONTHS: Final = " where dimension = 'account' and grain = 'month' group by 1 order by 2 desc, 1"
_BY_DAY: Final = _fixed(f"{_WEIGHTS} from marts.fct_daily_costs group by 1 order by 2 desc, 1")
CURRENCIES: Final = Statement(
    f"{_WEIGHTS} from {rollups.TOTALS}{_OF_MONTHS}",
    (),
    _BY_DAY,
    Statement(f"{_WEIGHTS} from {rollups.TABLE}{_OF_MONTHS}", (), _BY_DAY),
)

ACCOUNTS: Final = _fixed(
    f"select account_id, {PROVIDER_NAME} as provider, accounts.provider as provider_key,"  # noqa: S608 - an expression of the catalogue
    " account_name, state, first_day,"
    " data_through, final_through, last_delivery_at, blocked_days,"
    # Other datasets and never a bill: a member of an organization, whose payer is billed.
    " first_day is null and exists (select from marts.fct_freshness as days"
    " where days.account_id = accounts.account_id) as is_billed_elsewhere"
    " from marts.dim_accounts as accounts where is_current order by accounts.provider, account_id"
)

HELD_BACK: Final = _fixed(
    "select account_id, coalesce(held_back, 'gap') as state, min(usage_date) as first_day,"
    " max(usage_date) as last_day, count(*) as days from marts.fct_freshness"
    " where dataset = 'costs' and (held_back is not null or is_gap)"
    " group by 1, 2 order by 1, 2"
)

RESTATED: Final = _fixed(
    "select account_id, currency, min(usage_date) as first_day, max(usage_date) as last_day,"
    " count(distinct usage_date) as days, sum(old_cost) as old_cost, sum(new_cost) as new_cost,"
    " sum(delta) as delta, max(restated_at) as restated_at"
    " from marts.fct_restatements where cost_type in ('billed_cost', 'net_unblended_cost')"
    " and restated_at > now() - interval '14 days' group by 1, 2 order by abs(sum(delta)) desc"
)

RESIDUALS: Final = _fixed(
    "select account_id, currency, min(first_day) as first_day, max(last_day) as last_day,"
    " count(distinct first_day) as days,"
    " (array_agg(residual order by abs(residual) desc))[1] as residual,"
    " (array_agg(check_name order by abs(residual) desc))[1] as check_name"
    " from marts.fct_reconciliations where state = 'blocked' and currency is not null"
    " group by 1, 2 order by 1, 2"
)

ANOMALIES: Final = _fixed(
    "select anomaly_id, kind, account_id, service_name, billing_currency, severity, reason,"
    " start_date as first_day, end_date as last_day, flagged_days as days, excess_cost"
    " from marts.fct_cost_anomalies where state = 'open'"
    # Their accounts say the same again; late and missing days have lines of their own.
    " and kind = 'cost' and scope = 'service'"
    " and end_date > (select max(usage_date) from marts.fct_daily_costs) - 14"
    " order by array_position(array['critical', 'high', 'medium', 'low'], severity),"
    " abs(excess_cost) desc limit 50"
)

BREACHES: Final = _fixed(
    "select breach_id, rule_name, kind, severity, scope_key, period_start as first_day,"
    " period_end as last_day, observed_value, threshold_value, unit, billing_currency"
    " from marts.fct_threshold_breaches where severity in ('warning', 'critical')"
    # The kinds that have lines of their own.
    " and kind not in ('anomaly', 'stale_feed', 'residual')"
    " and period_end >= (select max(usage_date) from marts.fct_daily_costs) - 7"
    " order by severity, usage_date desc limit 50"
)

TEAMS: Final = _fixed(
    "select distinct team from marts.fct_daily_team_costs where team is not null order by 1"
)
