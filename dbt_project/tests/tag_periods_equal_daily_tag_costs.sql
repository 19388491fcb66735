{{ config(meta={'dagster': {'ref': {'name': 'fct_tag_costs'}}}) }}
-- The days, weeks and months just built are the daily costs by tags, to the last decimal; `all`, so
-- that a row that stands twice is found, too.
with

periods as (
    select distinct
        just_built.account_id,
        grains.grain,
        date_trunc(grains.grain, just_built.usage_date)::date as period_start
    from ({{ days_just_built('int_tag_costs') }}) as just_built
    cross join (values ('day'), ('week'), ('month')) as grains (grain)
),

expected as (
    select
        periods.grain,
        periods.period_start,
        daily.account_id,
        daily.tags,
        daily.billing_currency,
        sum(daily.list_cost) as list_cost,
        sum(daily.contracted_cost) as contracted_cost,
        sum(daily.effective_cost) as effective_cost,
        sum(daily.billed_cost) as billed_cost
    from periods
    inner join {{ ref('fct_daily_tag_costs') }} as daily
        on
            daily.account_id = periods.account_id
            and daily.usage_date >= periods.period_start
            and daily.usage_date < periods.period_start + ('1 ' || periods.grain)::interval
    group by 1, 2, 3, 4, 5
),

summed as (
    select
        costs.grain,
        costs.period_start,
        costs.account_id,
        costs.tags,
        costs.billing_currency,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost
    from periods
    inner join {{ ref('fct_tag_costs') }} as costs
        on
            costs.account_id = periods.account_id
            and costs.grain = periods.grain
            and costs.period_start = periods.period_start
    group by 1, 2, 3, 4, 5
)

select grain, period_start, account_id, tags, billed_cost from (
    (select * from expected except all select * from summed)
    union all
    (select * from summed except all select * from expected)
) as wrong
