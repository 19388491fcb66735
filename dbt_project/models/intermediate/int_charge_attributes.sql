{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['attributes_key'], 'unique': true}],
        pre_hook="{{ open_increment('int_daily_attribute_costs', keeps_rows=true) }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per set of attributes that charges have
with

costs as (
    {{ of_changed_days(ref('int_daily_attribute_costs')) }}
),

-- a set is read from the charges of its first day: a history is read once, not twice
unknown as (
    select
        costs.attributes_key,
        costs.account_id,
        min(costs.usage_date) as usage_date
    from costs
    {% if is_incremental() %}
    where
        not exists (
            select 1 from {{ this }} as known
            where known.attributes_key = costs.attributes_key
        )
    {% endif %}
    group by 1, 2
),

days as (
    select unknown.account_id, unknown.usage_date
    from unknown
    group by 1, 2
),

charges as (
    {{ rows_of_days(ref('fct_charges'), 'days') }}
),

read as (
    select distinct
        charges.provider,
        charges.account_id,
        charges.billing_account_id,
        charges.sub_account_id,
        charges.sub_account_name,
        charges.service_category,
        charges.service_name,
        charges.region_id,
        charges.charge_category,
        charges.billing_currency,
        charges.resource_id,
        charges.resource_name,
        charges.tags
    from charges
),

keyed as (
    select
        {{ attributes_key('read') }} as attributes_key,
        read.*
    from read
)

select keyed.*
from keyed
where keyed.attributes_key in (select unknown.attributes_key from unknown)
