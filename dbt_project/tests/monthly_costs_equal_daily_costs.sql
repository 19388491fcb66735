{{ config(meta={'dagster': {'ref': {'name': 'fct_monthly_costs'}}}) }}
-- The months just built are the daily costs, row by row, to the last decimal; `all`, so that a row
-- that stands twice is found, too.
with

months as materialized (
    select distinct
        just_built.account_id,
        'month' as grain,
        date_trunc('month', just_built.usage_date)::date as period_start
    from ({{ days_just_built('fct_monthly_costs') }}) as just_built
),

daily as (
    {{ rows_of_days(ref('fct_daily_costs'), '(' ~ days_of_periods('months') ~ ')') }}
),

expected as (
    select
        date_trunc('month', daily.usage_date)::date as month,
        daily.provider,
        daily.account_id,
        daily.sub_account_id,
        daily.service_category,
        daily.service_name,
        daily.region_id,
        daily.charge_category,
        daily.billing_currency,
        daily.is_final,
        sum(daily.list_cost) as list_cost,
        sum(daily.contracted_cost) as contracted_cost,
        sum(daily.effective_cost) as effective_cost,
        sum(daily.billed_cost) as billed_cost
    from daily
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
),

summed as (
    select
        costs.month,
        costs.provider,
        costs.account_id,
        costs.sub_account_id,
        costs.service_category,
        costs.service_name,
        costs.region_id,
        costs.charge_category,
        costs.billing_currency,
        costs.is_final,
        costs.list_cost,
        costs.contracted_cost,
        costs.effective_cost,
        costs.billed_cost
    from months
    inner join {{ ref('fct_monthly_costs') }} as costs
        on costs.account_id = months.account_id and costs.month = months.period_start
)

select month, account_id, service_name, billed_cost from (
    (select * from expected except all select * from summed)
    union all
    (select * from summed except all select * from expected)
) as wrong
