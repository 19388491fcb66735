{{ config(meta={'dagster': {'ref': {'name': 'fct_recent_resource_costs'}}}) }}
-- What a window has, with what no inventory has and what names no resource, is the whole bill of
-- its days and accounts to the last decimal.
with

kept as (
    select
        last_day,
        account_id,
        billing_currency,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost
    from {{ ref('fct_recent_resource_costs') }}
    where not is_repeated
    group by 1, 2, 3
),

windows as (
    select distinct
        first_day,
        last_day
    from {{ ref('fct_recent_resource_costs') }}
),

accounts as (
    select
        account_id,
        max(data_through) as data_through
    from {{ ref('dim_accounts') }}
    where is_current
    group by 1
),

billed as (
    select
        windows.last_day,
        daily.account_id,
        daily.billing_currency,
        sum(daily.billed_cost) as billed_cost,
        sum(daily.effective_cost) as effective_cost,
        sum(daily.list_cost) as list_cost,
        sum(daily.contracted_cost) as contracted_cost
    from windows
    inner join {{ ref('fct_costs_by_dimension') }} as daily
        on
            daily.dimension = 'account'
            and daily.grain = 'day'
            and daily.period_start between windows.first_day and windows.last_day
    inner join accounts
        on
            accounts.account_id = daily.account_id
            and accounts.data_through <= windows.last_day + 7
    group by 1, 2, 3
)

(select * from kept except select * from billed)
union all
(select * from billed except select * from kept)
