{{ config(meta={'dagster': {'ref': {'name': 'fct_daily_allocated_costs'}}}) }}
-- Costs by team, cost centre and environment are the daily costs to the last decimal, by every key of
-- fct_daily_costs, on every day just built.
with

days as (
    {{ days_just_built('fct_daily_allocated_costs') }}
),

allocated as (
    {{ rows_of_days(ref('fct_daily_allocated_costs'), 'days') }}
),

daily as (
    {{ rows_of_days(ref('fct_daily_costs'), 'days') }}
),

sums_of_allocated as (
    select
        provider,
        account_id,
        billing_account_id,
        sub_account_id,
        sub_account_name,
        service_category,
        service_name,
        region_id,
        charge_category,
        billing_currency,
        usage_date,
        billing_period,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost
    from allocated
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
),

sums_of_days as (
    select
        provider,
        account_id,
        billing_account_id,
        sub_account_id,
        sub_account_name,
        service_category,
        service_name,
        region_id,
        charge_category,
        billing_currency,
        usage_date,
        billing_period,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost
    from daily
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
)

(select * from sums_of_allocated except select * from sums_of_days)
union all
(select * from sums_of_days except select * from sums_of_allocated)
