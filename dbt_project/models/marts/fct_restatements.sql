{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['delivery_id']}, {'columns': ['usage_date', 'account_id']}]
    )
}}

-- grain: one row per delivery, account, day, service, charge category, currency and cost type
with

restatements as (
    select * from {{ source('raw', 'restatements') }}
    {% if is_incremental() %}
    -- a delivery's restatements commit together: all of them are here, or none
    where
        delivery_id in (
            select deliveries.id
            from {{ source('raw', 'deliveries') }} as deliveries
            where
                not exists (
                    select 1 from {{ this }} as known
                    where known.delivery_id = deliveries.id
                )
        )
    {% endif %}
)

select
    restatements.id as restatement_id,
    restatements.delivery_id,
    restatements.supersedes,
    restatements.account_id,
    restatements.provider,
    restatements.usage_date,
    restatements.billing_period,
    restatements.service,
    restatements.charge_category,
    restatements.currency,
    restatements.cost_type,
    restatements.old_cost,
    restatements.new_cost,
    restatements.delta,
    restatements.restated_at,
    -- bills close by the middle of the following month: what moves later is a surprise
    (restatements.restated_at at time zone 'UTC')::date
    > (restatements.billing_period + interval '1 month 15 days')::date as restated_after_close
from restatements
