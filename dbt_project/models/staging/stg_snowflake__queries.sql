-- grain: one row per day, warehouse, user, role, query tag and statement, and one for what is idle
with

queries as (
    select * from {{ source('raw', 'snowflake_queries') }}
)

select
    -- keys
    queries.account_id,
    'snowflake' as provider,
    queries.usage_date,
    queries.delivery_id as x_delivery_id,
    queries.account_locator as sub_account_id,
    queries.warehouse_name,
    queries.is_idle,
    queries.user_name,
    queries.role_name,
    queries.query_tag,
    queries.query_parameterized_hash,

    -- what they did
    queries.query_type,
    queries.queries,
    queries.credits_attributed as credits,
    queries.credits_query_acceleration as query_acceleration_credits,
    queries.elapsed_seconds,
    queries.bytes_scanned
from queries
