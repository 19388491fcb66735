{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[
            {'columns': ['usage_date', 'account_id']},
            {'columns': ['provider', 'service_name', 'service_category', 'usage_date']}
        ],
        pre_hook="{{ open_increment('fct_charges') }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per provider, account, billing and sub account, service, region, charge category,
-- billing currency, UTC day and billing month
with

summed as (
    select
        -- keys
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
        charges.usage_date,
        charges.billing_period,

        -- money, in billing_currency
        sum(charges.list_cost) as list_cost,
        sum(charges.contracted_cost) as contracted_cost,
        sum(charges.effective_cost) as effective_cost,
        sum(charges.billed_cost) as billed_cost,

        -- what they are made of
        count(*) as charges,
        bool_and(coalesce(charges.x_is_final, false)) as is_final,
        bool_and(charges.invoice_id is not null) as is_invoiced,

        -- the one delivery that a day stands in per billing month, and since when
        charges.x_delivery_id as delivery_id,
        deliveries.finished_at as loaded_at
    from {{ ref('fct_charges') }} as charges
    inner join {{ source('raw', 'deliveries') }} as deliveries on deliveries.id = charges.x_delivery_id
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 20, 21
)

{{ by_changed_day('summed') }}
