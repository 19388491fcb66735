{{ config(indexes=[{'columns': ['usage_date', 'account_id']}]) }}

-- grain: one row per account, UTC day, warehouse, user, role, query tag, statement and currency
-- A warehouse's cost of a day is shared out by credits; what rounding leaves goes to the idle row.
with

queries as (
    select * from {{ ref('stg_snowflake__queries') }}
),

warehouses as (
    select * from {{ ref('int_warehouse_costs') }}
),

shared as (
    select
        queries.*,
        warehouses.billing_currency,
        warehouses.effective_cost as warehouse_cost,
        {{ share_of('warehouses.effective_cost', 'queries.credits', 'of_warehouse_day') }} as share,
        row_number() over idle_first as rest_rank
    from queries
    left join warehouses
        on
            warehouses.account_id = queries.account_id
            and warehouses.sub_account_id = queries.sub_account_id
            and warehouses.usage_date = queries.usage_date
            and warehouses.warehouse_name = queries.warehouse_name
    window
        of_warehouse_day as (
            partition by
                queries.account_id,
                queries.sub_account_id,
                queries.usage_date,
                queries.warehouse_name,
                warehouses.billing_currency
        ),
        idle_first as (
            of_warehouse_day
            order by
                queries.is_idle desc,
                queries.credits desc,
                queries.query_parameterized_hash asc,
                queries.user_name asc,
                queries.role_name asc,
                queries.query_tag asc
        )
)

select
    md5(
        concat_ws(
            '|',
            shared.account_id,
            shared.sub_account_id,
            shared.usage_date,
            shared.warehouse_name,
            shared.is_idle,
            coalesce(shared.user_name, '~'),
            coalesce(shared.role_name, '~'),
            coalesce(shared.query_tag, '~'),
            coalesce(shared.query_parameterized_hash, '~'),
            coalesce(shared.billing_currency, '~')
        )
    ) as query_cost_key,
    shared.account_id,
    shared.provider,
    shared.usage_date,
    'WAREHOUSE_METERING' as service_name,
    shared.sub_account_id,
    shared.warehouse_name,
    shared.is_idle,
    shared.user_name,
    shared.role_name,
    shared.query_tag,
    shared.query_parameterized_hash,
    shared.queries,
    shared.credits,
    shared.query_acceleration_credits,
    shared.elapsed_seconds,
    shared.bytes_scanned,
    shared.billing_currency,
    {{ share_with_rest('shared.share', 'shared.warehouse_cost', 'shared.rest_rank', 'of_warehouse_day') }}
        as effective_cost,
    shared.x_delivery_id
from shared
window
    of_warehouse_day as (
        partition by
            shared.account_id,
            shared.sub_account_id,
            shared.usage_date,
            shared.warehouse_name,
            shared.billing_currency
    )
