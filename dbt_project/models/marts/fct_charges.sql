{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['usage_date', 'account_id']}],
        pre_hook="{{ open_increment('int_raw_reconciliations', except_blocked=true) }}",
        post_hook="{{ close_increment() }}",
        meta={'on_spark': 'view'}
    )
}}

-- grain: one row per charge in its current version
-- depends_on: {{ ref('int_raw_reconciliations') }}
-- depends_on: {{ ref('int_days_blocked') }}
with

charges as (
    {{ of_changed_days(ref('int_costs_unioned')) }}
),

service_categories as (
    select * from {{ ref('service_categories') }}
),

service_subcategories as (
    select * from {{ ref('service_subcategories') }}
),

regions as (
    select * from {{ ref('regions') }}
)

select
    md5(concat_ws('|', charges.account_id, charges.x_delivery_id, charges.x_row_number)) as charge_key,
    charges.account_id,
    charges.provider,
    charges.usage_date,
    charges.billing_period,
    charges.x_delivery_id,
    charges.x_row_number,
    charges.x_is_final,
    charges.x_list_cost_source,
    charges.x_contracted_cost_source,
    charges.x_effective_cost_source,
    charges.availability_zone,
    charges.billed_cost,
    charges.billing_account_id,
    charges.billing_account_name,
    charges.billing_account_type,
    charges.billing_currency,
    charges.billing_period_end,
    charges.billing_period_start,
    charges.capacity_reservation_id,
    charges.capacity_reservation_status,
    charges.charge_category,
    charges.charge_class,
    charges.charge_description,
    charges.charge_frequency,
    charges.charge_period_end,
    charges.charge_period_start,
    charges.commitment_discount_category,
    charges.commitment_discount_id,
    charges.commitment_discount_name,
    charges.commitment_discount_quantity,
    charges.commitment_discount_status,
    charges.commitment_discount_type,
    charges.commitment_discount_unit,
    charges.consumed_quantity,
    charges.consumed_unit,
    charges.contracted_cost,
    charges.contracted_unit_price,
    charges.effective_cost,
    charges.invoice_id,
    charges.invoice_issuer_name,
    charges.list_cost,
    charges.list_unit_price,
    charges.pricing_category,
    charges.pricing_currency,
    charges.pricing_currency_contracted_unit_price,
    charges.pricing_currency_effective_cost,
    charges.pricing_currency_list_unit_price,
    charges.pricing_quantity,
    charges.pricing_unit,
    charges.provider_name,
    charges.publisher_name,
    charges.region_id,
    coalesce(charges.region_name, regions.region_name) as region_name,
    charges.resource_id,
    charges.resource_name,
    charges.resource_type,
    {{ service_category() }} as service_category,
    charges.service_name,
    {{ service_subcategory() }} as service_subcategory,
    charges.sku_id,
    charges.sku_meter,
    charges.sku_price_details,
    charges.sku_price_id,
    charges.sub_account_id,
    charges.sub_account_name,
    charges.sub_account_type,
    charges.tags
from charges
left join service_categories on service_categories.service_name = charges.service_name
left join service_subcategories on service_subcategories.service_name = charges.service_name
left join regions on regions.region_id = charges.region_id
{{ unless_held_back('charges') }}
