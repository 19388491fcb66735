{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['delivery_id'], 'unique': true}]
    )
}}

-- grain: one row per delivery
with

deliveries as (
    select * from {{ source('raw', 'deliveries') }} as deliveries
    {% if is_incremental() %}
    -- a delivery is never changed once it has committed, and carries the totals of all its days
    where
        not exists (
            select 1 from {{ this }} as known
            where known.delivery_id = deliveries.id
        )
    {% endif %}
),

controls as (
    select
        deliveries.id as delivery_id,
        count(*) as controls,
        max(abs((control.value ->> 'residual')::numeric)) as largest_residual
    from deliveries
    cross join lateral jsonb_array_elements(deliveries.controls) as control (value)
    group by 1
)

select
    deliveries.id as delivery_id,
    deliveries.account_id,
    deliveries.provider,
    deliveries.dataset,
    deliveries.first_day,
    deliveries.last_day,
    deliveries.billing_period,
    deliveries.source,
    deliveries.source_name,
    deliveries.fetched_at,
    deliveries.finished_at,
    deliveries.state,
    deliveries.reason,
    deliveries.rows as payload_rows,
    deliveries.quarantined_rows,
    deliveries.days_replaced,
    deliveries.days_unchanged,
    deliveries.days_blocked,
    deliveries.days_refused,
    deliveries.payload_uri,
    deliveries.payload_sha256,
    deliveries.payload_bytes,
    deliveries.sums,
    deliveries.controls as control_totals,
    coalesce(controls.controls, 0) as control_count,
    controls.largest_residual,
    deliveries.supersedes,
    deliveries.accepted_by,
    deliveries.accepted_reason,
    deliveries.dagster_run_id,
    deliveries.requests,
    deliveries.request_cost_usd
from deliveries
left join controls on controls.delivery_id = deliveries.id
