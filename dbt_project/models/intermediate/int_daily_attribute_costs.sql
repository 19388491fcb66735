{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['usage_date', 'account_id']}],
        pre_hook="{{ open_increment('fct_charges') }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per set of attributes (int_charge_attributes), UTC day and billing month
with

summed as (
    select
        -- the set
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
        charges.tags,

        -- keys
        charges.usage_date,
        charges.billing_period,

        -- money, in the set's billing_currency
        sum(charges.list_cost) as list_cost,
        sum(charges.contracted_cost) as contracted_cost,
        sum(charges.effective_cost) as effective_cost,
        sum(charges.billed_cost) as billed_cost
    from {{ ref('fct_charges') }} as charges
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
),

keyed as (
    select
        {{ attributes_key('summed') }} as attributes_key,
        summed.account_id,
        summed.usage_date,
        summed.billing_period,
        summed.list_cost,
        summed.contracted_cost,
        summed.effective_cost,
        summed.billed_cost
    from summed
)

{{ by_changed_day('keyed') }}
