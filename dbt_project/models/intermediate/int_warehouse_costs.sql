-- grain: one row per account, warehouse, UTC day and currency
-- Bills stop at the account: its warehouse charges of a day are shared out by compute credits, to
-- six decimals, and what rounding leaves goes to the largest warehouse. So the warehouses of an
-- account's day sum up to its charges.
with

charges as (
    select * from {{ ref('stg_snowflake__costs') }}
    union all
    select * from {{ ref('stg_snowflake__costs_metering') }}
),

charged as (
    select
        charges.account_id,
        charges.sub_account_id,
        charges.usage_date,
        charges.billing_currency,
        sum(charges.effective_cost) as effective_cost
    from charges
    where charges.service_name = 'WAREHOUSE_METERING' and charges.charge_category = 'Usage'
    group by 1, 2, 3, 4
),

warehouses as (
    select
        queries.account_id,
        queries.sub_account_id,
        queries.usage_date,
        queries.warehouse_name,
        sum(queries.credits) as credits
    from {{ ref('stg_snowflake__queries') }} as queries
    group by 1, 2, 3, 4
),

shared as (
    select
        warehouses.*,
        charged.billing_currency,
        charged.effective_cost as day_cost,
        {{ share_of('charged.effective_cost', 'warehouses.credits', 'of_account_day') }} as share,
        row_number() over largest_of_day as size_rank
    from warehouses
    left join charged
        on
            charged.account_id = warehouses.account_id
            and charged.sub_account_id = warehouses.sub_account_id
            and charged.usage_date = warehouses.usage_date
    window
        of_account_day as (
            partition by
                warehouses.account_id,
                warehouses.sub_account_id,
                warehouses.usage_date,
                charged.billing_currency
        ),
        largest_of_day as (of_account_day order by warehouses.credits desc, warehouses.warehouse_name asc)
)

select
    shared.account_id,
    shared.sub_account_id,
    shared.usage_date,
    shared.warehouse_name,
    shared.credits,
    shared.billing_currency,
    {{ share_with_rest('shared.share', 'shared.day_cost', 'shared.size_rank', 'of_account_day') }} as effective_cost
from shared
window
    of_account_day as (
        partition by shared.account_id, shared.sub_account_id, shared.usage_date, shared.billing_currency
    )
