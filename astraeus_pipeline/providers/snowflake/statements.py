"""What is asked of Snowflake: one SQL text each, columns listed, days bounded, rows in order.

ACCOUNT_USAGE tells times: they are bounded by [first, end) in UTC, the session's time zone. Sums
are cast to the scale of what they sum, so that they come as decimals and the same each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Statement:
    """A question: `key` names its stored answer, `view` what the role must be able to see."""

    key: str
    view: str
    sql: str


IDENTITY: Final = Statement(
    "identity",
    "the session",
    """
select
    current_account() as account_locator,
    current_account_name() as account_name,
    current_organization_name() as organization_name,
    current_region() as region,
    current_user() as user_name,
    current_role() as role_name
""",
)

_USAGE_IN_CURRENCY: Final = "ORGANIZATION_USAGE.USAGE_IN_CURRENCY_DAILY"
BILL_LINES: Final = Statement(
    "usage_in_currency_daily",
    _USAGE_IN_CURRENCY,
    """
select
    organization_name, contract_number, account_name, account_locator, region, service_level,
    usage_date, usage_type, billing_type, rating_type, service_type, is_adjustment,
    usage, currency, usage_in_currency, balance_source
from snowflake.organization_usage.usage_in_currency_daily
where usage_date between %(first)s::date and %(last)s::date
order by
    usage_date, account_locator, service_type, usage_type, is_adjustment, balance_source,
    billing_type, rating_type, contract_number, currency, usage, usage_in_currency
""",
)
# Summed by Snowflake itself, from the same view but not from the rows that were read.
BILL_TOTALS: Final = Statement(
    "usage_in_currency_totals",
    _USAGE_IN_CURRENCY,
    """
select
    usage_date,
    currency,
    count(*)::number(38, 0) as charges,
    sum(usage_in_currency)::number(38, 2) as amount
from snowflake.organization_usage.usage_in_currency_daily
where usage_date between %(first)s::date and %(last)s::date
group by usage_date, currency
order by usage_date, currency
""",
)

# METERING_DAILY_HISTORY's day is a time in some accounts, a date in others.
CREDITS: Final = Statement(
    "metering_daily_history",
    "ACCOUNT_USAGE.METERING_DAILY_HISTORY",
    """
select
    to_date(usage_date) as usage_date, service_type, credits_used_compute,
    credits_used_cloud_services, credits_adjustment_cloud_services, credits_used, credits_billed
from snowflake.account_usage.metering_daily_history
where usage_date between %(first)s::date and %(last)s::date
order by 1, service_type, credits_billed, credits_used
""",
)
CREDIT_TOTALS: Final = Statement(
    "metering_totals",
    "ACCOUNT_USAGE.METERING_DAILY_HISTORY",
    """
select
    to_date(usage_date) as usage_date,
    service_type,
    count(*)::number(38, 0) as charges,
    sum(credits_billed)::number(38, 9) as credits_billed
from snowflake.account_usage.metering_daily_history
where usage_date between %(first)s::date and %(last)s::date
group by 1, 2
order by 1, 2
""",
)
STORAGE: Final = Statement(
    "storage_usage",
    "ACCOUNT_USAGE.STORAGE_USAGE",
    """
select usage_date, storage_bytes, stage_bytes, failsafe_bytes
from snowflake.account_usage.storage_usage
where usage_date between %(first)s::date and %(last)s::date
order by usage_date, storage_bytes, stage_bytes, failsafe_bytes
""",
)
STORAGE_TOTALS: Final = Statement(
    "storage_totals",
    "ACCOUNT_USAGE.STORAGE_USAGE",
    """
select
    usage_date,
    count(*)::number(38, 0) as charges,
    sum(storage_bytes + stage_bytes + failsafe_bytes)::number(38, 6) as all_bytes
from snowflake.account_usage.storage_usage
where usage_date between %(first)s::date and %(last)s::date
group by usage_date
order by usage_date
""",
)

RATES: Final = Statement(
    "rate_sheet_daily",
    "ORGANIZATION_USAGE.RATE_SHEET_DAILY",
    """
select
    date as usage_date, organization_name, contract_number, account_name, account_locator, region,
    service_level, usage_type, billing_type, rating_type, service_type, is_adjustment, currency,
    effective_rate
from snowflake.organization_usage.rate_sheet_daily
where date between %(first)s::date and %(last)s::date
order by
    date, account_locator, service_type, usage_type, is_adjustment, billing_type, rating_type,
    contract_number, currency, effective_rate
""",
)
BALANCES: Final = Statement(
    "remaining_balance_daily",
    "ORGANIZATION_USAGE.REMAINING_BALANCE_DAILY",
    """
select
    date as usage_date, organization_name, contract_number, currency, free_usage_balance,
    capacity_balance, on_demand_consumption_balance, rollover_balance,
    marketplace_capacity_drawdown_balance
from snowflake.organization_usage.remaining_balance_daily
where date between %(first)s::date and %(last)s::date
order by date, contract_number, currency
""",
)

QUERY_GROUPS: Final = Statement(
    "query_attribution_history",
    "ACCOUNT_USAGE.QUERY_ATTRIBUTION_HISTORY",
    # A query's history may begin before the attribution's first day: it may have queued.
    """
with

attributed as (
    select
        to_date(start_time) as usage_date, query_id, warehouse_name, user_name,
        nullif(query_tag, '') as query_tag, query_parameterized_hash,
        credits_attributed_compute, credits_used_query_acceleration
    from snowflake.account_usage.query_attribution_history
    where
        start_time >= %(first)s::timestamp_ltz and start_time < %(end)s::timestamp_ltz
),

history as (
    select query_id, role_name, query_type, total_elapsed_time, bytes_scanned
    from snowflake.account_usage.query_history
    where
        start_time >= dateadd(day, -7, %(first)s::timestamp_ltz)
        and start_time < %(end)s::timestamp_ltz
)

select
    attributed.usage_date,
    attributed.warehouse_name,
    attributed.user_name,
    history.role_name,
    attributed.query_tag,
    attributed.query_parameterized_hash,
    min(history.query_type) as query_type,
    count(*)::number(38, 0) as queries,
    sum(attributed.credits_attributed_compute)::number(38, 9) as credits_attributed,
    sum(attributed.credits_used_query_acceleration)::number(38, 9) as credits_query_acceleration,
    (sum(history.total_elapsed_time) / 1000)::number(38, 3) as elapsed_seconds,
    sum(history.bytes_scanned)::number(38, 0) as bytes_scanned
from attributed
left join history on history.query_id = attributed.query_id
group by 1, 2, 3, 4, 5, 6
order by 1, 2, 3, 4, 5, 6
""",
)
WAREHOUSE_CREDITS: Final = Statement(
    "warehouse_metering_history",
    "ACCOUNT_USAGE.WAREHOUSE_METERING_HISTORY",
    """
select
    to_date(start_time) as usage_date,
    warehouse_name,
    sum(credits_used_compute)::number(38, 9) as credits_used_compute
from snowflake.account_usage.warehouse_metering_history
where
    start_time >= %(first)s::timestamp_ltz and start_time < %(end)s::timestamp_ltz
    and warehouse_id > 0
group by 1, 2
order by 1, 2
""",
)


def _measured(kind: str, name: str, view: str, day: str, metric: str, unit: str, sums: bool) -> str:
    """Return one arm: a metric of all resources of a kind, summed up by day."""
    bounds = (
        "usage_date between %(first)s::date and %(last)s::date"
        if day == "usage_date"
        else "start_time >= %(first)s::timestamp_ltz and start_time < %(end)s::timestamp_ltz"
    )
    total = f"sum({metric})::number(38, 9)" if sums else "null::number(38, 9)"
    real = " and deleted is null" if kind == "database" else " and warehouse_id > 0"
    return f"""
select
    {day} as usage_date,
    '{kind}' as kind,
    {name} as resource_name,
    '{metric}' as metric,
    '{unit}' as unit,
    avg({metric})::number(38, 9) as average,
    max({metric})::number(38, 9) as maximum,
    min({metric})::number(38, 9) as minimum,
    {total} as sum,
    count(*)::number(38, 0) as samples
from snowflake.account_usage.{view}
where {bounds}{real}
group by 1, 3
"""  # noqa: S608 - words of this module


_DAY: Final = "to_date(start_time)"
_METERED: Final = ("warehouse", "warehouse_name", "warehouse_metering_history", _DAY)
_LOADED: Final = ("warehouse", "warehouse_name", "warehouse_load_history", _DAY)
_STORED: Final = ("database", "database_name", "database_storage_usage_history", "usage_date")
UTILISATION: Final = Statement(
    "utilisation",
    "ACCOUNT_USAGE.WAREHOUSE_METERING_HISTORY, WAREHOUSE_LOAD_HISTORY and"
    " DATABASE_STORAGE_USAGE_HISTORY",
    "union all".join(
        (
            _measured(*_METERED, "credits_used_compute", "credits", True),
            _measured(*_METERED, "credits_used_cloud_services", "credits", True),
            _measured(*_LOADED, "avg_running", "queries", False),
            _measured(*_LOADED, "avg_queued_load", "queries", False),
            _measured(*_LOADED, "avg_queued_provisioning", "queries", False),
            _measured(*_LOADED, "avg_blocked", "queries", False),
            _measured(*_STORED, "average_database_bytes", "bytes", False),
            _measured(*_STORED, "average_failsafe_bytes", "bytes", False),
        )
    )
    + "order by 1, 2, 3, 4",
)

SHOW_WAREHOUSES: Final = "show warehouses"
DATABASES: Final = Statement(
    "databases",
    "ACCOUNT_USAGE.DATABASES",
    """
select
    databases.database_name, databases.database_owner, databases.created, databases.comment,
    databases.retention_time, databases.type, storage.stored_bytes
from snowflake.account_usage.databases
left join (
    select
        database_id,
        (average_database_bytes + average_failsafe_bytes)::number(38, 9) as stored_bytes
    from snowflake.account_usage.database_storage_usage_history
    where usage_date = dateadd(day, -1, %(last)s::date)
) as storage on storage.database_id = databases.database_id
where databases.deleted is null
order by databases.database_name
""",
)
PIPES: Final = Statement(
    "pipes",
    "ACCOUNT_USAGE.PIPES",
    """
select pipe_name, pipe_schema, pipe_catalog, pipe_owner, created, is_autoingest_enabled, comment
from snowflake.account_usage.pipes
where deleted is null
order by pipe_catalog, pipe_schema, pipe_name
""",
)
ACCOUNTS: Final = Statement(
    "accounts",
    "ORGANIZATION_USAGE.ACCOUNTS",
    """
select
    organization_name, account_name, account_locator, region, edition, created_on, is_locked,
    account_url
from snowflake.organization_usage.accounts
where deleted_on is null
order by account_name
""",
)
