{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['grain', 'period_start', 'account_id']}],
        pre_hook=[
            "{{ open_increment('int_service_days', keeps_rows=true) }}",
            "{{ open_trends('int_service_days') }}",
            "{{ open_trend_costs() }}"
        ],
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per grain (day, week, month), account, sub account, service, billing currency and
-- period, where the service was charged in the period or in the 31 days before
-- depends_on: {{ ref('int_daily_unit_costs') }}
-- depends_on: {{ ref('int_service_days') }}
with

days_summed as not materialized (
    select * from {{ this.identifier }}{{ '__days_summed' if is_incremental() else '__days' }}
),

service_days as not materialized (
    select * from {{ this.identifier ~ '__service_days' if is_incremental() else ref('int_service_days') }}
),

unit_costs as not materialized (
    select * from {{ this.identifier ~ '__unit_costs' if is_incremental() else ref('int_daily_unit_costs') }}
),

minor_units as not materialized (
    select * from unit_costs
    where unit_rank > 1 and pricing_unit is not null
),

day_trends as (
    {{ day_trends() }}
),

week_days as (
    {{ week_days() }}
),

period_sums as (
    {{ period_sums() }}
),

period_roles as (
    {{ period_roles() }}
),

period_trends as (
    {{ period_trends() }}
),

trends as (
    select * from day_trends
    union all
    select * from period_trends
),

compared as (
    select
        trends.*,
        series.provider,
        series.sub_account_id,
        series.service_name,
        series.billing_currency,
        case when trends.has_last_month then trends.effective_cost - trends.last_month_cost end as last_month_delta,
        case when trends.has_last_year then trends.effective_cost - trends.last_year_cost end as last_year_delta
    from trends
    inner join {{ ref('int_cost_series') }} as series on series.series_key = trends.series_key
)

select
    -- keys
    compared.grain,
    compared.provider,
    compared.account_id,
    compared.sub_account_id,
    compared.service_name,
    compared.billing_currency,
    compared.period_start,
    compared.period_end,

    -- how much of the period is known
    compared.loaded_days,
    compared.is_whole,

    -- money, in billing_currency
    compared.effective_cost,
    compared.billed_cost,
    compared.usage_cost,
    compared.mean_7_days_cost,
    compared.mean_28_days_cost,
    compared.month_to_date_cost,
    compared.run_rate_cost,

    -- against the same days, null if they are not all known
    compared.effective_cost - compared.last_month_delta as last_month_cost,
    compared.last_month_delta,
    compared.last_month_delta / nullif(compared.last_month_cost, 0) as last_month_growth,
    compared.effective_cost - compared.last_year_delta as last_year_cost,
    compared.last_year_delta,
    compared.last_year_delta / nullif(compared.last_year_cost, 0) as last_year_growth,

    -- movers; their order keeps the rows of a period together, as they are read and replaced
    case
        when compared.has_last_month then row_number() over (
            partition by
                compared.period_start, compared.account_id, compared.grain, compared.billing_currency
            order by abs(compared.last_month_delta) desc, compared.service_name asc, compared.sub_account_id asc
        )::integer
    end as mover_rank,
    case when compared.has_last_month then compared.is_new end as is_new,
    case when compared.has_last_month then compared.is_gone end as is_gone,

    -- price of a unit
    compared.pricing_unit,
    compared.pricing_quantity,
    compared.unit_usage_cost / nullif(compared.pricing_quantity, 0) as unit_cost,
    case
        when compared.last_month_delta is not null
            then compared.last_month_usage_cost / nullif(compared.last_month_quantity, 0)
    end as last_month_unit_cost,
    case
        when compared.last_year_delta is not null
            then compared.last_year_usage_cost / nullif(compared.last_year_quantity, 0)
    end as last_year_unit_cost
from compared
