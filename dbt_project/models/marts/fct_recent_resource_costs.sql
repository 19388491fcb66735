{{
    config(
        materialized='table',
        indexes=[{'columns': ['last_day', 'billing_currency']}]
    )
}}

-- grain: one row per window, account billed, resource of an inventory (one row for all that the
-- inventories lack, one for what names no resource) and billing currency; a cost of two inventories'
-- resource is repeated
with

accounts as (
    select
        account_id,
        max(data_through) as data_through
    from {{ ref('dim_accounts') }}
    where is_current
    group by 1
),

-- What the page may show: the 28 days through which an account is delivered. It shows the earliest
-- of those within a week of the newest, so accounts that are further ahead never meet a window.
windows as (
    select
        data_through - 27 as first_day,
        data_through as last_day
    from accounts
    where data_through is not null
    group by 1, 2
),

summed as (
    select
        windows.first_day,
        windows.last_day,
        daily.account_id,
        daily.sub_account_id,
        daily.resource_id,
        daily.billing_currency,
        sum(daily.list_cost) as list_cost,
        sum(daily.contracted_cost) as contracted_cost,
        sum(daily.effective_cost) as effective_cost,
        sum(daily.billed_cost) as billed_cost
    from windows
    inner join {{ ref('fct_daily_resource_costs') }} as daily
        on daily.usage_date between windows.first_day and windows.last_day
    inner join accounts
        on
            accounts.account_id = daily.account_id
            and accounts.data_through <= windows.last_day + 7
    group by 1, 2, 3, 4, 5, 6
),

placed as (
    select
        summed.*,
        resources.account_id as inventory_account_id,
        case
            when summed.resource_id is null then 'without'
            when resources.account_id is null then 'elsewhere'
            else 'in_inventory'
        end as place,
        row_number() over (
            partition by
                summed.last_day,
                summed.account_id,
                summed.sub_account_id,
                summed.resource_id,
                summed.billing_currency
            order by resources.account_id
        ) > 1 as is_repeated
    from summed
    left join {{ ref('dim_resources') }} as resources
        on
            resources.resource_id = summed.resource_id
            and (
                resources.account_id = summed.account_id
                or resources.sub_account_id = summed.sub_account_id
            )
)

select
    -- keys
    first_day,
    last_day,
    account_id,
    inventory_account_id,
    case when inventory_account_id is not null then resource_id end as resource_id,
    place,
    is_repeated,
    billing_currency,

    -- money, in billing_currency
    sum(list_cost) as list_cost,
    sum(contracted_cost) as contracted_cost,
    sum(effective_cost) as effective_cost,
    sum(billed_cost) as billed_cost
from placed
group by 1, 2, 3, 4, 5, 6, 7, 8
