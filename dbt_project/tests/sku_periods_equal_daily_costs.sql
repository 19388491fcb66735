{{ config(meta={'dagster': {'ref': {'name': 'fct_sku_costs'}}}) }}
-- The days just built, and the weeks and months that they lie in, have costs and quantities of the
-- daily costs by article, to the last decimal, and nothing else.
with

periods as materialized (
    {{ periods_just_built('fct_sku_costs') }}
),

days_of_periods as materialized (
    {{ days_of_periods('periods') }}
),

daily as (
    {{ rows_of_days(ref('fct_daily_sku_costs'), '(select distinct account_id, usage_date from days_of_periods)') }}
),

sums_of_days as (
    select
        provider,
        account_id,
        usage_date,
        service_category,
        service_name,
        charge_category,
        sku,
        pricing_unit,
        commitment_use,
        billing_currency,
        -- of rows without one there is no quantity of the sum
        bool_and(pricing_quantity is not null) as has_quantity,
        sum(pricing_quantity) as pricing_quantity,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost,
        sum(effective_cost) as effective_cost,
        sum(billed_cost) as billed_cost
    from daily
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
),

expected as (
    select
        periods.grain,
        periods.period_start,
        sums_of_days.provider,
        sums_of_days.account_id,
        sums_of_days.service_category,
        sums_of_days.service_name,
        sums_of_days.charge_category,
        sums_of_days.sku,
        sums_of_days.pricing_unit,
        sums_of_days.commitment_use,
        sums_of_days.billing_currency,
        case when bool_and(sums_of_days.has_quantity) then sum(sums_of_days.pricing_quantity) end
            as pricing_quantity,
        sum(sums_of_days.list_cost) as list_cost,
        sum(sums_of_days.contracted_cost) as contracted_cost,
        sum(sums_of_days.effective_cost) as effective_cost,
        sum(sums_of_days.billed_cost) as billed_cost
    from days_of_periods as periods
    inner join sums_of_days
        on sums_of_days.account_id = periods.account_id and sums_of_days.usage_date = periods.usage_date
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
),

found as (
    select
        costs.grain,
        costs.period_start,
        costs.provider,
        costs.account_id,
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
    from ({{ rows_of_periods(ref('fct_sku_costs'), 'periods') }}) as costs
)

-- with `all`: a row that stands twice is wrong, too
(select * from expected except all select * from found)
union all
(select * from found except all select * from expected)
