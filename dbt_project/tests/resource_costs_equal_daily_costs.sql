{{ config(meta={'dagster': {'ref': {'name': 'fct_daily_resource_costs'}}}) }}
-- Costs by resource, with what names none, are the daily costs to the last decimal, on every day
-- just built.
with

days as (
    {{ days_just_built('fct_daily_costs') }}
),

by_resource as (
    {{ rows_of_days(ref('fct_daily_resource_costs'), 'days') }}
),

daily as (
    {{ rows_of_days(ref('fct_daily_costs'), 'days') }}
),

sums_of_resources as (
    select
        account_id,
        usage_date,
        service_name,
        billing_currency,
        sum(charges) as charges,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost
    from by_resource
    group by 1, 2, 3, 4
),

sums_of_days as (
    select
        account_id,
        usage_date,
        service_name,
        billing_currency,
        sum(charges) as charges,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost
    from daily
    group by 1, 2, 3, 4
)

(select * from sums_of_resources except select * from sums_of_days)
union all
(select * from sums_of_days except select * from sums_of_resources)
