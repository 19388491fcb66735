-- grain: one row per resource and day of the inventory
with

resources as (
    select * from {{ source('raw', 'aws_resources') }}
)

select
    -- keys
    resources.account_id,
    'aws' as provider,
    resources.usage_date,
    resources.delivery_id as x_delivery_id,
    resources.resource_id,

    -- what and where
    resources.resource_type,
    resources.resource_name,
    resources.owner_account_id as sub_account_id,
    resources.region as region_id,
    resources.availability_zone,
    resources.state,
    resources.created_at,

    -- size
    resources.instance_type,
    resources.size_gb,
    resources.iops,
    resources.throughput_mbps,
    resources.vcpus,
    resources.memory_gb,
    resources.architecture,
    resources.platform,
    resources.lifecycle,

    -- use
    resources.attached_to,
    resources.attachment_state,
    resources.attached_at,
    resources.tags
from resources
