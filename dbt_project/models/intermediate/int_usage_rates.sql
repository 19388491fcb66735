{{ config(materialized='table', post_hook='analyze {{ this }}') }}

-- grain: one row per account, sub account, region, usage type and billing currency of a bill that
-- names no resources: what a unit costs on demand, which is what one machine less saves
with

rules as (
    select * from {{ ref('provider_rules') }}
),

charges as (
    select
        charges.account_id,
        charges.sub_account_id,
        charges.region_id,
        {{ without_region("coalesce(charges.sku_meter, substring(charges.charge_description from '[^ ]+$'))") }}
            as usage_type,
        charges.billing_currency,
        charges.usage_date,
        charges.effective_cost,
        charges.consumed_quantity
    from {{ ref('fct_charges') }} as charges
    left join rules on rules.provider = charges.provider
    where
        charges.provider = 'aws'
        and charges.resource_id is null
        and charges.charge_category = 'Usage'
        and charges.pricing_category = 'Standard'
        and charges.consumed_quantity > 0
        and {{ in_settled_days('charges', var('saving_cost_days')) }}
)

select
    charges.account_id,
    charges.sub_account_id,
    charges.region_id,
    charges.usage_type,
    charges.billing_currency,
    count(distinct charges.usage_date)::integer as days,
    sum(charges.effective_cost) / sum(charges.consumed_quantity) as unit_price
from charges
where charges.usage_type ~ '^(EBS:VolumeUsage|BoxUsage:|InstanceUsage:|PublicIPv4:IdleAddress$)'
group by 1, 2, 3, 4, 5
