{{ config(meta={'dagster': {'ref': {'name': 'fct_daily_sku_costs'}}}) }}
-- Costs by article, with what has none, are the daily costs to the last decimal, on every day just
-- built.
with

days as (
    {{ days_just_built('fct_daily_costs') }}
),

by_sku as (
    {{ rows_of_days(ref('fct_daily_sku_costs'), 'days') }}
),

daily as (
    {{ rows_of_days(ref('fct_daily_costs'), 'days') }}
),

sums_of_skus as (
    select
        account_id,
        usage_date,
        sub_account_id,
        service_name,
        region_id,
        charge_category,
        billing_currency,
        sum(charges) as charges,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost
    from by_sku
    group by 1, 2, 3, 4, 5, 6, 7
),

sums_of_days as (
    select
        account_id,
        usage_date,
        sub_account_id,
        service_name,
        region_id,
        charge_category,
        billing_currency,
        sum(charges) as charges,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost
    from daily
    group by 1, 2, 3, 4, 5, 6, 7
)

(select * from sums_of_skus except select * from sums_of_days)
union all
(select * from sums_of_days except select * from sums_of_skus)
