-- grain: one row per snapshot that a person or a script made and that is in the newest inventory
with

resources as (
    select * from {{ ref('dim_resources') }}
    where
        is_active
        and created_at is not null
        and resource_type in (
            'ec2:snapshot', 'rds:snapshot', 'rds:cluster-snapshot', 'microsoft.compute/snapshots'
        )
        -- automated ones end with their retention
        and (resource_type not like 'rds:%' or instance_type = 'manual')
        -- what a backup plan made, it deletes
        and not coalesce(tags ?| array['aws:backup:source-resource', 'aws:dlm:lifecycle-policy-id'], false)
)

select
    'old_snapshot' as kind,
    'delete_snapshot' as action,
    resources.account_id,
    resources.resource_id,
    resources.created_at < '{{ var("today") }}'::date - {{ threshold_days('snapshot_age_days') }} as is_found,
    jsonb_strip_nulls(jsonb_build_object(
        'created_on', (resources.created_at at time zone 'UTC')::date,
        'age_days', '{{ var("today") }}'::date - (resources.created_at at time zone 'UTC')::date,
        'source', resources.attached_to,
        'source_size_gb', resources.size_gb,
        'inventory_of', resources.last_seen
    )) as evidence,
    1::numeric as saved_share,
    'all' as saved_part,
    -- the inventory does not tell whether an image is made of it
    'medium' as certainty,
    'An image may be made of it, or a rule ask to keep it. A snapshot shares its blocks with its neighbours: '
    || 'what is deleted here may be billed there.' as caveat
from resources
