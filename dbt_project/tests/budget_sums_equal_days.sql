{{ config(meta={'dagster': {'ref': {'name': 'int_budget_days'}}}) }}
-- What builds keep of budgets' days is what the days sum up to, to the last decimal, and tells of the
-- same accounts.
with

days as (
    select * from {{ ref('int_budget_days') }}
    union all
    select * from {{ ref('int_budget_allocated_days') }}
),

sums_of_days as (
    select
        budget_id,
        usage_date,
        billing_currency,
        sum(cost) as cost
    from days
    group by 1, 2, 3
),

day_sums as (
    select
        budget_id,
        usage_date,
        billing_currency,
        cost
    from intermediate.budget_day_sums
),

months_of_days as (
    select
        budget_id,
        date_trunc('month', usage_date::timestamp)::date as month,
        account_id,
        bool_or(cost <> effective_cost) as differs
    from days
    group by 1, 2, 3
),

account_months as (
    select
        budget_id,
        month,
        account_id,
        differs
    from intermediate.budget_account_months
),

unlike_sums as (
    (select * from sums_of_days except select * from day_sums)
    union all
    (select * from day_sums except select * from sums_of_days)
),

unlike_months as (
    (select * from months_of_days except select * from account_months)
    union all
    (select * from account_months except select * from months_of_days)
)

select budget_id, usage_date as day from unlike_sums
union all
select budget_id, month from unlike_months
