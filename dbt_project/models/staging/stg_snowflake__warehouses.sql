-- grain: one row per warehouse and day of the inventory
with

resources as (
    select * from {{ source('raw', 'snowflake_resources') }}
)

select
    -- keys
    resources.account_id,
    'snowflake' as provider,
    resources.usage_date,
    resources.delivery_id as x_delivery_id,
    resources.resource_id,
    resources.resource_name as warehouse_name,
    resources.owner_account_id as sub_account_id,

    -- how it is set
    resources.instance_type as warehouse_size,
    -- Snowflake writes 0 or nothing for a warehouse that never suspends by itself
    nullif(resources.payload ->> 'auto_suspend', 'null')::integer as auto_suspend_seconds,
    resources.payload ? 'auto_suspend' as is_auto_suspend_told,
    (resources.payload ->> 'max_cluster_count')::integer as max_clusters
from resources
where resources.resource_type = 'snowflake:warehouse'
