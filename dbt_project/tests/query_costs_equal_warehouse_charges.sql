{{ config(meta={'dagster': {'ref': {'name': 'fct_query_costs'}}}) }}
-- What queries and idle time cost is what the account's warehouses were charged, to the last decimal,
-- on every day that is billed.
with

charges as (
    select * from {{ ref('stg_snowflake__costs') }}
    union all
    select * from {{ ref('stg_snowflake__costs_metering') }}
),

charged as (
    select
        account_id,
        sub_account_id,
        usage_date,
        billing_currency,
        sum(effective_cost) as cost
    from charges
    where service_name = 'WAREHOUSE_METERING' and charge_category = 'Usage'
    group by 1, 2, 3, 4
),

attributed as (
    select
        account_id,
        sub_account_id,
        usage_date,
        billing_currency,
        sum(effective_cost) as cost
    from {{ ref('fct_query_costs') }}
    where billing_currency is not null
    group by 1, 2, 3, 4
)

select
    account_id,
    sub_account_id,
    usage_date,
    billing_currency,
    attributed.cost as attributed_cost,
    charged.cost as charged_cost
from attributed
left join charged using (account_id, sub_account_id, usage_date, billing_currency)
where attributed.cost is distinct from charged.cost
