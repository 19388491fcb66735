{{ config(meta={'dagster': {'ref': {'name': 'fct_daily_costs'}}}) }}
-- Every cost type of the daily costs is the sum of its charges, on every day just built.
with

days as (
    {{ days_just_built('fct_charges') }}
),

charges as (
    {{ rows_of_days(ref('fct_charges'), 'days') }}
),

daily as (
    {{ rows_of_days(ref('fct_daily_costs'), 'days') }}
),

sums_of_charges as (
    select
        account_id,
        usage_date,
        service_name,
        charge_category,
        billing_currency,
        count(*) as charges,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost
    from charges
    group by 1, 2, 3, 4, 5
),

sums_of_days as (
    select
        account_id,
        usage_date,
        service_name,
        charge_category,
        billing_currency,
        sum(charges) as charges,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost
    from daily
    group by 1, 2, 3, 4, 5
)

(select * from sums_of_charges except select * from sums_of_days)
union all
(select * from sums_of_days except select * from sums_of_charges)
