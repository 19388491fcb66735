{{ config(materialized='view') }}

-- grain: one row per set of attributes (tags among them), UTC day and billing month
with

costs as (
    select * from {{ ref('int_daily_attribute_costs') }}
),

attributes as (
    select * from {{ ref('int_charge_attributes') }}
)

select
    attributes.provider,
    attributes.account_id,
    attributes.billing_account_id,
    attributes.sub_account_id,
    attributes.sub_account_name,
    attributes.service_category,
    attributes.service_name,
    attributes.region_id,
    attributes.charge_category,
    attributes.billing_currency,
    attributes.tags,
    costs.usage_date,
    costs.billing_period,
    costs.list_cost,
    costs.contracted_cost,
    costs.effective_cost,
    costs.billed_cost
from costs
inner join attributes on attributes.attributes_key = costs.attributes_key
