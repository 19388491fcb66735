{{ config(meta={'dagster': {'ref': {'name': 'fct_resource_costs'}}}) }}
-- The days just built, and the weeks and months that they lie in, have the daily costs of each
-- resource to the last decimal, and nothing else.
with

just_built as (
    {{ days_just_built('fct_resource_costs') }}
),

periods as materialized (
    select distinct
        just_built.account_id,
        grains.grain,
        date_trunc(grains.grain, just_built.usage_date)::date as period_start
    from just_built
    cross join (values ('day'), ('week'), ('month')) as grains (grain)
),

days_of_periods as (
    select distinct periods.account_id, every_day::date as usage_date
    from periods
    cross join
        lateral
        generate_series(
            periods.period_start,
            periods.period_start + ('1 ' || periods.grain)::interval - interval '1 day',
            interval '1 day'
        ) as every_day
),

daily as (
    {{ rows_of_days(ref('fct_daily_resource_costs'), 'days_of_periods') }}
),

sums_of_days as (
    select
        account_id,
        sub_account_id,
        resource_id,
        billing_currency,
        usage_date,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost,
        sum(effective_cost) as effective_cost,
        sum(billed_cost) as billed_cost
    from daily
    group by 1, 2, 3, 4, 5
),

expected as (
    select
        periods.grain,
        sums_of_days.account_id,
        sums_of_days.sub_account_id,
        sums_of_days.resource_id,
        sums_of_days.billing_currency,
        periods.period_start,
        sum(sums_of_days.list_cost) as list_cost,
        sum(sums_of_days.contracted_cost) as contracted_cost,
        sum(sums_of_days.effective_cost) as effective_cost,
        sum(sums_of_days.billed_cost) as billed_cost
    from sums_of_days
    cross join (values ('day'), ('week'), ('month')) as grains (grain)
    inner join periods
        on
            periods.account_id = sums_of_days.account_id
            and periods.grain = grains.grain
            and periods.period_start = date_trunc(grains.grain, sums_of_days.usage_date)::date
    group by 1, 2, 3, 4, 5, 6
),

found as (
    select
        costs.grain,
        costs.account_id,
        costs.sub_account_id,
        costs.resource_id,
        costs.billing_currency,
        costs.period_start,
        costs.list_cost,
        costs.contracted_cost,
        costs.effective_cost,
        costs.billed_cost
    from periods
    inner join {{ ref('fct_resource_costs') }} as costs
        on
            costs.account_id = periods.account_id
            and costs.grain = periods.grain
            and costs.period_start = periods.period_start
)

-- with `all`: a row that stands twice is wrong, too
(select * from expected except all select * from found)
union all
(select * from found except all select * from expected)
