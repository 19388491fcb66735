{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['account_id', 'resource_id']}],
        pre_hook="{{ open_inventories() }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per account and resource, as last seen
with

inventories as (
    select
        partitions.account_id,
        max(partitions.usage_date) as last_day
    from {{ source('raw', 'partitions') }} as partitions
    where partitions.dataset = 'resources' and partitions.delivery_id is not null
    group by partitions.account_id
),

resources as (
    {{ of_changed_inventories(ref('int_resources_unioned')) }}
),

first_days as (
    select
        resources.account_id,
        resources.resource_id,
        min(resources.usage_date) as first_seen
    from resources
    group by resources.account_id, resources.resource_id
),

newest as (
    select distinct on (resources.account_id, resources.resource_id) resources.*
    from resources
    order by resources.account_id asc, resources.resource_id asc, resources.usage_date desc
),

seen as (
    select
        newest.provider,
        newest.account_id,
        newest.sub_account_id,
        newest.resource_id,
        newest.resource_type,
        newest.resource_name,
        newest.region_id,
        newest.availability_zone,
        newest.state,
        newest.instance_type,
        newest.size_gb,
        newest.iops,
        newest.throughput_mbps,
        newest.vcpus,
        newest.memory_gb,
        newest.architecture,
        newest.platform,
        newest.lifecycle,
        newest.attached_to,
        newest.attachment_state,
        newest.attached_at,
        newest.tags,
        newest.created_at,
        {% if is_incremental() %}
        least(first_days.first_seen, known.first_seen) as first_seen,
        {% else %}
        first_days.first_seen,
        {% endif %}
        newest.usage_date as last_seen,
        newest.x_delivery_id
    from newest
    inner join first_days
        on first_days.account_id = newest.account_id and first_days.resource_id = newest.resource_id
    {% if is_incremental() %}
    left join {{ this.identifier }}__known as known
        on known.account_id = newest.account_id and known.resource_id = newest.resource_id
    union all
    select
        known.provider,
        known.account_id,
        known.sub_account_id,
        known.resource_id,
        known.resource_type,
        known.resource_name,
        known.region_id,
        known.availability_zone,
        known.state,
        known.instance_type,
        known.size_gb,
        known.iops,
        known.throughput_mbps,
        known.vcpus,
        known.memory_gb,
        known.architecture,
        known.platform,
        known.lifecycle,
        known.attached_to,
        known.attachment_state,
        known.attached_at,
        known.tags,
        known.created_at,
        known.first_seen,
        known.last_seen,
        known.x_delivery_id
    from {{ this.identifier }}__known as known
    where
        not exists (
            select 1 from newest
            where newest.account_id = known.account_id and newest.resource_id = known.resource_id
        )
    {% endif %}
)

select
    seen.provider,
    seen.account_id,
    seen.sub_account_id,
    seen.resource_id,
    seen.resource_type,
    seen.resource_name,
    seen.region_id,
    seen.availability_zone,
    seen.state,
    seen.instance_type,
    seen.size_gb,
    seen.iops,
    seen.throughput_mbps,
    seen.vcpus,
    seen.memory_gb,
    seen.architecture,
    seen.platform,
    seen.lifecycle,
    seen.attached_to,
    seen.attachment_state,
    seen.attached_at,
    seen.attachment_state = 'idle' as is_idle,
    seen.tags,
    seen.created_at,
    seen.first_seen,
    seen.last_seen,
    -- an inventory without any resource counts, too
    seen.last_seen = inventories.last_day as is_active,
    seen.x_delivery_id
from seen
left join inventories on inventories.account_id = seen.account_id
