-- grain: one row per resource and day of the inventory
with

resources as (
    select * from {{ source('raw', 'azure_resources') }}
)

select
    -- keys
    resources.account_id,
    'azure' as provider,
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

    -- use
    resources.attached_to,
    -- only what is paid for whether it is used or not
    case
        when resources.resource_type in ('microsoft.compute/disks', 'microsoft.network/publicipaddresses')
            then case when resources.attached_to is null then 'idle' else 'attached' end
    end as attachment_state,
    resources.tags
from resources
