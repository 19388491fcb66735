{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[
            {'columns': ['usage_date', 'account_id']},
            {'columns': ['resource_id', 'account_id']},
            {'columns': ['usage_date', 'effective_cost']}
        ],
        pre_hook="{{ open_increment('fct_charges') }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per provider, account, sub account, cloud resource, service, billing currency and
-- UTC day; what names no resource is a row of its own, so that the sums are the whole bill
with

summed as (
    select
        -- keys
        charges.provider,
        charges.account_id,
        charges.sub_account_id,
        charges.resource_id,
        charges.service_name,
        charges.billing_currency,
        charges.usage_date,

        -- money, in billing_currency
        sum(charges.list_cost) as list_cost,
        sum(charges.contracted_cost) as contracted_cost,
        sum(charges.effective_cost) as effective_cost,
        sum(charges.billed_cost) as billed_cost,

        -- what they are made of
        count(*) as charges,
        bool_and(coalesce(charges.x_is_final, false)) as is_final
    from {{ ref('fct_charges') }} as charges
    group by 1, 2, 3, 4, 5, 6, 7
)

{{ by_changed_day('summed') }}
