-- grain: one row per volume and address that is in the newest inventory
with

resources as (
    select * from {{ ref('dim_resources') }}
    where
        is_active and resource_type in (
            'ec2:volume', 'ec2:address', 'microsoft.compute/disks', 'microsoft.network/publicipaddresses'
        )
)

select
    case
        when resources.resource_type in ('ec2:volume', 'microsoft.compute/disks') then 'unattached_volume'
        else 'unattached_address'
    end as kind,
    case
        when resources.resource_type in ('ec2:volume', 'microsoft.compute/disks') then 'delete_volume'
        else 'release_address'
    end as action,
    resources.account_id,
    resources.resource_id,
    -- what is being made, copied or deleted is not idle; neither is what has just been made
    resources.attachment_state = 'idle'
    and (
        resources.resource_type not in ('ec2:volume', 'microsoft.compute/disks')
        or resources.state in ('available', 'Unattached')
    )
    and coalesce(
        resources.created_at < '{{ var("today") }}'::date - {{ threshold_days('young_days') }}, true
    ) as is_found,
    jsonb_strip_nulls(jsonb_build_object(
        'state', resources.state,
        'size_gb', resources.size_gb,
        'instance_type', resources.instance_type,
        'created_on', (resources.created_at at time zone 'UTC')::date,
        'inventory_of', resources.last_seen
    )) as evidence,
    1::numeric as saved_share,
    'all' as saved_part,
    case
        -- a cluster's claim may want it back
        when resources.tags ?| array['kubernetes.io/created-for/pvc/name', 'k8s-azure-created-by'] then 'medium'
        else 'high'
    end as certainty,
    case
        when resources.tags ?| array['kubernetes.io/created-for/pvc/name', 'k8s-azure-created-by']
            then 'A volume of a Kubernetes claim: see whether the claim still stands.'
    end as caveat
from resources
