{{ config(meta={'dagster': {'ref': {'name': 'fct_cost_trends'}}}) }}
-- The days, weeks and months that the days just built lie in sum to the daily costs, to the last
-- decimal: no service is lost between them, none stands twice.
with

days as (
    {{ days_just_built('fct_daily_costs') }}
),

periods as (
    select distinct
        days.account_id,
        grains.grain,
        date_trunc(grains.grain, days.usage_date)::date as period_start
    from days
    cross join (values ('day'), ('week'), ('month')) as grains (grain)
),

days_of_periods as (
    select distinct
        days.account_id,
        days.usage_date
    from ({{ days_of_periods('periods') }}) as days
),

-- summed to days before they meet periods: joins of many rows by account alone grow with the history
by_day as (
    select
        costs.account_id,
        costs.usage_date,
        costs.billing_currency,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost
    from (
        {{ rows_of_days(ref('fct_daily_costs'), 'days_of_periods') }}
    ) as costs
    group by 1, 2, 3
),

daily as (
    select
        by_day.account_id,
        periods.grain,
        periods.period_start,
        by_day.billing_currency,
        sum(by_day.effective_cost) as effective_cost,
        sum(by_day.billed_cost) as billed_cost
    from by_day
    inner join periods
        on
            periods.account_id = by_day.account_id
            and periods.period_start = date_trunc(periods.grain, by_day.usage_date)::date
    group by 1, 2, 3, 4
),

trends as (
    select
        periods.account_id,
        periods.grain,
        periods.period_start,
        costs.billing_currency,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost
    from periods
    inner join {{ ref('fct_cost_trends') }} as costs
        on
            costs.account_id = periods.account_id
            and costs.grain = periods.grain
            and costs.period_start = periods.period_start
    group by 1, 2, 3, 4
)

select
    account_id,
    grain,
    period_start,
    billing_currency,
    daily.effective_cost,
    trends.effective_cost as effective_cost_of_trends
from daily
full join trends using (account_id, grain, period_start, billing_currency)
where
    coalesce(daily.effective_cost, 0) <> coalesce(trends.effective_cost, 0)
    or coalesce(daily.billed_cost, 0) <> coalesce(trends.billed_cost, 0)
