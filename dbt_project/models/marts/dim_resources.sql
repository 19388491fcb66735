-- grain: one row per account and resource, as last seen
with

resources as (
    select * from {{ ref('stg_aws__resources') }}
),

ranked as (
    select
        resources.*,
        row_number() over newest as age,
        min(resources.usage_date) over (partition by resources.account_id, resources.resource_id) as first_seen,
        max(resources.usage_date) over (partition by resources.account_id) as last_inventory
    from resources
    window newest as (
        partition by resources.account_id, resources.resource_id
        order by resources.usage_date desc
    )
)

select
    ranked.provider,
    ranked.account_id,
    ranked.sub_account_id,
    ranked.resource_id,
    ranked.resource_type,
    ranked.resource_name,
    ranked.region_id,
    ranked.availability_zone,
    ranked.state,
    ranked.instance_type,
    ranked.size_gb,
    ranked.iops,
    ranked.throughput_mbps,
    ranked.attached_to,
    ranked.tags,
    ranked.created_at,
    ranked.first_seen,
    ranked.usage_date as last_seen,
    ranked.usage_date = ranked.last_inventory as is_active,
    ranked.x_delivery_id
from ranked
where ranked.age = 1
