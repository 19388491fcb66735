{{ config(meta={'dagster': {'ref': {'name': 'fct_total_costs_by_dimension'}}}) }}
-- In the days, weeks and months just built the totals are the sums over all accounts, row by row, to the
-- last decimal; `all`, so that a row that stands twice is found, too.
with

periods as (
    select distinct
        grains.grain,
        date_trunc(grains.grain, just_built.usage_date)::date as period_start
    from ({{ days_just_built('fct_total_costs_by_dimension') }}) as just_built
    cross join (values ('day'), ('week'), ('month')) as grains (grain)
),

expected as (
    select
        costs.grain,
        costs.dimension,
        costs.member,
        costs.service_category,
        costs.billing_currency,
        costs.is_final,
        costs.period_start,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost,
        sum(costs.charges)::bigint as charges
    from periods
    inner join {{ ref('fct_costs_by_dimension') }} as costs
        on costs.grain = periods.grain and costs.period_start = periods.period_start
    group by 1, 2, 3, 4, 5, 6, 7
),

totals as (
    select
        costs.grain,
        costs.dimension,
        costs.member,
        costs.service_category,
        costs.billing_currency,
        costs.is_final,
        costs.period_start,
        costs.list_cost,
        costs.contracted_cost,
        costs.effective_cost,
        costs.billed_cost,
        costs.charges
    from periods
    inner join {{ ref('fct_total_costs_by_dimension') }} as costs
        on costs.grain = periods.grain and costs.period_start = periods.period_start
)

select grain, dimension, member, period_start, billed_cost from (
    (select * from expected except all select * from totals)
    union all
    (select * from totals except all select * from expected)
) as wrong
