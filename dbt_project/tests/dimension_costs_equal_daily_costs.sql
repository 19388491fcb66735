{{ config(meta={'dagster': {'ref': {'name': 'fct_costs_by_dimension'}}}) }}
-- On the days just built every dimension has the daily costs, member by member, to the last decimal;
-- the weeks and months that these days lie in are the sums of their days.
with

just_built as (
    {{ days_just_built('fct_costs_by_dimension') }}
),

daily as (
    {{ rows_of_days(ref('fct_daily_costs'), 'just_built') }}
),

expected_days as (
    select
        dimensions.dimension,
        dimensions.member,
        dimensions.service_category,
        daily.account_id,
        daily.billing_currency,
        daily.is_final,
        daily.usage_date as period_start,
        sum(daily.list_cost) as list_cost,
        sum(daily.contracted_cost) as contracted_cost,
        sum(daily.effective_cost) as effective_cost,
        sum(daily.billed_cost) as billed_cost,
        sum(daily.charges)::bigint as charges
    from {{ by_dimension('daily') }}
    group by 1, 2, 3, 4, 5, 6, 7
),

days as (
    select
        costs.dimension,
        costs.member,
        costs.service_category,
        costs.account_id,
        costs.billing_currency,
        costs.is_final,
        costs.period_start,
        costs.list_cost,
        costs.contracted_cost,
        costs.effective_cost,
        costs.billed_cost,
        costs.charges
    from just_built
    inner join {{ ref('fct_costs_by_dimension') }} as costs
        on
            costs.account_id = just_built.account_id
            and costs.period_start = just_built.usage_date
            and costs.grain = 'day'
),

periods as (
    select distinct
        just_built.account_id,
        grains.grain,
        date_trunc(grains.grain, just_built.usage_date)::date as period_start
    from just_built
    cross join (values ('week'), ('month')) as grains (grain)
),

expected_periods as (
    select
        periods.grain,
        costs.dimension,
        costs.member,
        costs.service_category,
        costs.account_id,
        costs.billing_currency,
        costs.is_final,
        periods.period_start,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost,
        sum(costs.charges)::bigint as charges
    from periods
    inner join {{ ref('fct_costs_by_dimension') }} as costs
        on
            costs.account_id = periods.account_id
            and costs.grain = 'day'
            and costs.period_start >= periods.period_start
            and costs.period_start < periods.period_start + ('1 ' || periods.grain)::interval
    group by 1, 2, 3, 4, 5, 6, 7, 8
),

sums_of_periods as (
    select
        costs.grain,
        costs.dimension,
        costs.member,
        costs.service_category,
        costs.account_id,
        costs.billing_currency,
        costs.is_final,
        costs.period_start,
        costs.list_cost,
        costs.contracted_cost,
        costs.effective_cost,
        costs.billed_cost,
        costs.charges
    from periods
    inner join {{ ref('fct_costs_by_dimension') }} as costs
        on
            costs.account_id = periods.account_id
            and costs.grain = periods.grain
            and costs.period_start = periods.period_start
)

select dimension, member, account_id, period_start, billed_cost from (
    (select * from expected_days except select * from days)
    union all
    (select * from days except select * from expected_days)
) as wrong_days
union all
select dimension, member, account_id, period_start, billed_cost from (
    (select * from expected_periods except select * from sums_of_periods)
    union all
    (select * from sums_of_periods except select * from expected_periods)
) as wrong_periods
