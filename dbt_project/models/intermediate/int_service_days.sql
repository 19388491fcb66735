{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['usage_date', 'account_id']}],
        pre_hook=[
            "{{ open_increment('int_daily_unit_costs', keeps_rows=true) }}",
            "{{ open_service_days('int_daily_unit_costs') }}"
        ],
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per account, sub account, service, billing currency and loaded UTC day, up to 37
-- days after each charge
with

runs as (
    select * from {{ this.identifier }}__runs
),

costs as (
    {% if is_incremental() %}
    {{ rows_of_days(ref('int_daily_unit_costs'), 'runs') }}
    {% else %}
    select * from {{ ref('int_daily_unit_costs') }}
    {% endif %}
),

{% if is_incremental() %}
starts as (
    select distinct
        runs.account_id,
        runs.run,
        runs.day_before as usage_date
    from runs
),

days_before as (
    {{ rows_of_days(this, 'starts') }}
),
{% endif %}

charged as (
    select
        costs.series_key,
        runs.run,
        costs.usage_date,
        costs.account_id,
        costs.usage_date as last_charged,
        sum(costs.charges)::bigint as charges,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost,
        sum(costs.usage_cost) as usage_cost,
        max(costs.pricing_unit) filter (where costs.unit_rank = 1) as pricing_unit,
        sum(costs.pricing_quantity) filter (where costs.unit_rank = 1) as pricing_quantity,
        sum(costs.usage_cost) filter (where costs.unit_rank = 1 and costs.pricing_unit is not null) as unit_usage_cost,
        true as is_own
    from costs
    inner join runs on runs.account_id = costs.account_id and runs.usage_date = costs.usage_date
    group by 1, 2, 3, 4
    {% if is_incremental() %}
    -- where the run starts from: the month so far stands for its costs
    union all
    select
        days_before.series_key,
        starts.run,
        days_before.usage_date,
        days_before.account_id,
        days_before.last_charged,
        0 as charges,
        days_before.month_to_date_cost as effective_cost,
        0 as billed_cost,
        days_before.month_to_date_usage_cost as usage_cost,
        null as pricing_unit,
        null as pricing_quantity,
        null as unit_usage_cost,
        false as is_own
    from days_before
    inner join starts
        on starts.account_id = days_before.account_id and starts.usage_date = days_before.usage_date
    {% endif %}
),

linked as (
    select
        charged.*,
        lag(charged.last_charged) over series as charged_before,
        lead(charged.usage_date) over series as charged_next
    from charged
    window series as (partition by charged.series_key, charged.run order by charged.usage_date)
),

-- a loaded day without a charge costs nothing, which is a figure
every_day as (
    select
        linked.*,
        linked.usage_date + generate_series(
            0,
            least(
                linked.charged_next - linked.usage_date - 1,
                linked.last_charged + {{ days_remembered() }} - linked.usage_date
            )
        ) as day
    from linked
),

loaded as (
    select
        every_day.series_key,
        every_day.run,
        every_day.day,
        every_day.account_id,
        every_day.last_charged,
        case
            when every_day.charged_before >= every_day.last_charged - {{ days_remembered() }}
                then every_day.charged_before
        end as charged_before,
        every_day.is_own or every_day.day > every_day.usage_date as is_of_run,
        case when every_day.day = every_day.usage_date then every_day.charges else 0 end as charges,
        case when every_day.day = every_day.usage_date then every_day.effective_cost else 0 end as effective_cost,
        case when every_day.day = every_day.usage_date then every_day.billed_cost else 0 end as billed_cost,
        case when every_day.day = every_day.usage_date then every_day.usage_cost else 0 end as usage_cost,
        case when every_day.day = every_day.usage_date then every_day.pricing_unit end as pricing_unit,
        case when every_day.day = every_day.usage_date then every_day.pricing_quantity end as pricing_quantity,
        case when every_day.day = every_day.usage_date then every_day.unit_usage_cost end as unit_usage_cost
    from every_day
    left join runs on runs.account_id = every_day.account_id and runs.usage_date = every_day.day
    where runs.run = every_day.run or (not every_day.is_own and every_day.day = every_day.usage_date)
),

summed as (
    select
        loaded.*,
        sum(loaded.effective_cost) over month_so_far as month_to_date_cost,
        sum(loaded.usage_cost) over month_so_far as month_to_date_usage_cost
    from loaded
    window month_so_far as (
        partition by loaded.series_key, loaded.run, date_trunc('month', loaded.day)
        order by loaded.day
    )
)

select
    -- keys
    summed.series_key,
    summed.account_id,
    summed.day as usage_date,

    -- money, in billing_currency
    summed.effective_cost,
    summed.billed_cost,
    summed.usage_cost,
    summed.month_to_date_cost,
    summed.month_to_date_usage_cost,

    -- quantity, in the unit of most of the day's usage cost, and that cost
    summed.pricing_unit,
    summed.pricing_quantity,
    summed.unit_usage_cost,

    -- what they are made of
    summed.charges,
    summed.last_charged,
    case when summed.charges > 0 then summed.charged_before end as charged_before
from summed
where summed.is_of_run
-- days lie together, as they are read and replaced
order by 3, 2
