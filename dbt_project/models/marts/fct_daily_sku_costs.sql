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

-- grain: one row per provider, account, sub account, service, region, charge category, article,
-- pricing unit, use of a commitment, billing currency and UTC day
with

summed as (
    select
        -- keys
        charges.provider,
        charges.account_id,
        charges.sub_account_id,
        charges.service_category,
        charges.service_name,
        charges.region_id,
        charges.charge_category,
        {{ article('charges') }} as sku,
        charges.pricing_unit,
        {{ commitment_use('charges') }} as commitment_use,
        charges.billing_currency,
        charges.usage_date,

        -- quantity, in pricing_unit; of all charges or of none
        case when count(*) = count(charges.pricing_quantity) then sum(charges.pricing_quantity) end
            as pricing_quantity,

        -- money, in billing_currency
        sum(charges.list_cost) as list_cost,
        sum(charges.contracted_cost) as contracted_cost,
        sum(charges.effective_cost) as effective_cost,
        sum(charges.billed_cost) as billed_cost,

        -- what they are made of
        count(*) as charges
    from {{ ref('fct_charges') }} as charges
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
)

{{ by_changed_day('summed') }}
