{{ config(meta={'dagster': {'ref': {'name': 'fct_total_sku_costs'}}}) }}
-- In the days, weeks and months just built the totals are the sums over all accounts, row by row, to the
-- last decimal; `all`, so that a row that stands twice is found, too.
with

periods as (
    select distinct
        grains.grain,
        date_trunc(grains.grain, just_built.usage_date)::date as period_start
    from ({{ days_just_built('fct_total_sku_costs') }}) as just_built
    cross join (values ('day'), ('week'), ('month')) as grains (grain)
),

expected as (
    select
        costs.grain,
        costs.period_start,
        costs.provider,
        costs.service_category,
        costs.service_name,
        costs.charge_category,
        costs.sku,
        costs.pricing_unit,
        costs.commitment_use,
        costs.billing_currency,
        case when bool_and(costs.pricing_quantity is not null) then sum(costs.pricing_quantity) end
            as pricing_quantity,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost
    from periods
    inner join {{ ref('fct_sku_costs') }} as costs
        on costs.grain = periods.grain and costs.period_start = periods.period_start
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
),

totals as (
    select
        costs.grain,
        costs.period_start,
        costs.provider,
        costs.service_category,
        costs.service_name,
        costs.charge_category,
        costs.sku,
        costs.pricing_unit,
        costs.commitment_use,
        costs.billing_currency,
        costs.pricing_quantity,
        costs.list_cost,
        costs.contracted_cost,
        costs.effective_cost,
        costs.billed_cost
    from periods
    inner join {{ ref('fct_total_sku_costs') }} as costs
        on costs.grain = periods.grain and costs.period_start = periods.period_start
)

(select * from expected except all select * from totals)
union all
(select * from totals except all select * from expected)
