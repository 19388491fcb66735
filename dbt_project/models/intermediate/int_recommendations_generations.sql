-- grain: one row per resource of a kind of which old types are known
with

generations as (
    select * from {{ ref('resource_generations') }}
),

resources as (
    select * from {{ ref('dim_resources') }}
    where
        is_active
        and instance_type is not null
        and resource_type in (select generations.resource_type from generations)
        and coalesce(state, '') not in ('terminated', 'shutting-down', 'deleting')
)

select
    'old_generation' as kind,
    'move_to_newer_type' as action,
    resources.account_id,
    resources.resource_id,
    generations.type_pattern is not null as is_found,
    jsonb_strip_nulls(jsonb_build_object(
        'instance_type', resources.instance_type,
        'successor', generations.successor,
        'retires_on', generations.retires_on,
        'source', generations.source,
        'checked_on', generations.checked_on,
        'inventory_of', resources.last_seen
    )) as evidence,
    generations.saved_share,
    'all' as saved_part,
    'medium' as certainty,
    case
        when resources.resource_type = 'ec2:volume'
            then 'A large gp2 volume may need more than the included performance of gp3, which costs extra.'
        when resources.lifecycle = 'spot' then 'A spot machine: its price is the market''s.'
    end as caveat
from resources
left join generations
    on
        generations.provider = resources.provider
        and generations.resource_type = resources.resource_type
        and resources.instance_type ~ generations.type_pattern
