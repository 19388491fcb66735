"""Statements about accounts: one row each, their days, deliveries and what does not tie out."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from app.queries import rollups
from app.queries.catalog import METRICS, PROVIDER_NAME, Basis
from app.queries.compiler import Statement
from astraeus_pipeline.contracts.days import DayRange

HEATMAP_DAYS: Final = 45
DELIVERIES: Final = 30
_API_DAYS: Final = 30


def compile_rows(month: DayRange, basis: Basis) -> Statement:
    """Return the statement of all accounts that stand, one row each.

    `month_cost` is the cost of the days in `month_currency`, the dearest where there are several;
    `month_currencies` counts them. `tie_out`: blocked, accepted, tied, untold or none.
    """
    column = METRICS[basis].column
    sql = (
        f"select accounts.account_id, {PROVIDER_NAME} as provider, accounts.provider as"  # noqa: S608 - names of the catalogue
        " provider_key, accounts.account_name, accounts.state, accounts.first_day,"
        " accounts.data_through, accounts.final_through, accounts.last_delivery_at,"
        " accounts.blocked_days, month.cost as month_cost, month.currency as month_currency,"
        " month.currencies as month_currencies, residuals.days as residual_days,"
        " case when residuals.days > 0 then 'blocked' when ties.accepted > 0 then 'accepted'"
        " when ties.tied > 0 then 'tied' when ties.untold > 0 then 'untold' else 'none' end"
        " as tie_out, newest.state as last_state, newest.reason as last_reason,"
        " newest.dataset as last_dataset, newest.fetched_at as last_fetched_at,"
        " newest.dagster_run_id as last_run,"
        " api.requests as api_requests, api.cost as api_cost,"
        " accounts.first_day is null and newest.state is not null as is_billed_elsewhere"
        " from marts.dim_accounts as accounts"
        " left join lateral (select costs.billing_currency as currency,"
        f" sum(costs.{column}) as cost, count(*) over () as currencies"
        f" from {rollups.TABLE} as costs where costs.account_id = accounts.account_id"
        " and costs.dimension = 'account' and costs.grain = 'day'"
        " and costs.period_start between :first and :last"
        f" group by 1 order by sum(abs(costs.{column})) desc limit 1) as month on true"
        " left join lateral (select count(distinct checks.first_day) as days"
        " from marts.fct_reconciliations as checks where checks.state = 'blocked'"
        " and checks.account_id = accounts.account_id) as residuals on true"
        " left join lateral (select"
        " count(*) filter (where checks.state = 'accepted') as accepted,"
        " count(*) filter (where checks.state in ('exact', 'within rounding')"
        " and checks.check_name in ('control_total', 'daily_vs_control')) as tied,"
        " count(*) filter (where checks.state = 'no control total') as untold"
        " from marts.fct_reconciliations as checks where checks.usage_date >= :since"
        " and checks.account_id = accounts.account_id) as ties on true"
        " left join lateral (select deliveries.* from marts.fct_deliveries as deliveries"
        " where deliveries.account_id = accounts.account_id"
        " order by deliveries.delivery_id desc limit 1) as newest on true"
        " left join lateral (select sum(deliveries.requests) as requests,"
        " sum(deliveries.request_cost_usd) as cost from marts.fct_deliveries as deliveries"
        " where deliveries.account_id = accounts.account_id"
        " and deliveries.fetched_at > now() - make_interval(days => :api_days)) as api on true"
        " where accounts.is_current and accounts.state <> 'removed'"
        " order by accounts.provider, accounts.account_id"
    )
    return Statement(
        sql,
        (
            ("api_days", _API_DAYS),
            ("first", month.first),
            ("last", month.last),
            ("since", month.last - timedelta(days=HEATMAP_DAYS)),
        ),
    )


def heatmap_days(last: date) -> DayRange:
    """Return the days of the heatmap that ends with a day."""
    return DayRange(last - timedelta(days=HEATMAP_DAYS - 1), last)


def compile_heatmap(days: DayRange, due: date) -> Statement:
    """Return the statement of each account's days of costs, `state` per `account_id` and day.

    Blocked and refused days come before what stands of them. A day without a delivery is missing
    where a later one came or it is not after `due`; else it is not due.
    """
    return Statement(
        "select account_id, usage_date, case when held_back is not null then held_back"
        " when state = 'invoiced' then 'final' when state <> 'missing' then state"
        " when is_gap or usage_date <= :due then 'missing' else 'not_due' end as state"
        " from marts.fct_freshness where dataset = 'costs'"
        " and usage_date between :first and :last order by 1, 2",
        (("due", due), ("first", days.first), ("last", days.last)),
    )


def compile_freshness(days: DayRange) -> Statement:
    """Return the statement of how fresh each account's datasets are, and what is amiss in days.

    Columns out: account_id, dataset; the last day of these that was delivered (data_through), has
    settled (settled_through) and is final (final_through); last_delivery_at; counts of days: days,
    missing_days (a later one was delivered), partial_days (may still fill up), estimated_days,
    restated_days (after they had been final), held_back_days.
    """
    return Statement(
        "select account_id, dataset,"
        " max(usage_date) filter (where delivery_id is not null) as data_through,"
        " max(usage_date) filter (where state not in ('missing', 'partial')) as settled_through,"
        " max(usage_date) filter (where state in ('final', 'invoiced')) as final_through,"
        " max(seen_at) as last_delivery_at, count(*) as days,"
        " count(*) filter (where is_gap) as missing_days,"
        " count(*) filter (where state = 'partial') as partial_days,"
        " count(*) filter (where state = 'estimated') as estimated_days,"
        " count(*) filter (where restated_after_final) as restated_days,"
        " count(*) filter (where held_back is not null) as held_back_days"
        " from marts.fct_freshness where usage_date between :first and :last"
        " group by 1, 2 order by 1, 2",
        (("first", days.first), ("last", days.last)),
    )


def compile_deliveries(account_id: str) -> Statement:
    """Return the statement of an account's newest deliveries, with their control totals."""
    return Statement(
        "select delivery_id, dataset, first_day, last_day, source, source_name, fetched_at,"
        " finished_at, state, reason, payload_rows, quarantined_rows, days_replaced,"
        " days_unchanged, days_blocked + days_refused as days_held, control_count,"
        " case when control_count > 0 then largest_residual end as largest_residual,"
        " payload_sha256, payload_bytes, dagster_run_id, requests, request_cost_usd, accepted_by"
        " from marts.fct_deliveries where account_id = :account"
        " order by delivery_id desc limit :limit",
        (("account", account_id), ("limit", DELIVERIES)),
    )


def compile_troubles(account_id: str) -> Statement:
    """Return the statement of the last delivery per dataset that did not go well, and is the last.

    What was delivered since is no trouble any more.
    """
    return Statement(
        "select * from (select distinct on (dataset) delivery_id, dataset, first_day, last_day,"
        " fetched_at, state, reason, dagster_run_id from marts.fct_deliveries"
        " where account_id = :account order by dataset, delivery_id desc) as newest"
        " where state in ('failed', 'refused', 'quarantined') order by dataset",
        (("account", account_id),),
    )


def compile_residuals(account_id: str) -> Statement:
    """Return the statement of an account's comparisons that do not tie out, the newest first."""
    return Statement(
        "select check_name, first_day, last_day, currency, cost_type, left_amount, right_amount,"
        " residual, cause, control_source from marts.fct_reconciliations"
        " where account_id = :account and state = 'blocked'"
        " order by first_day desc, abs(residual) desc nulls last limit 50",
        (("account", account_id),),
    )
