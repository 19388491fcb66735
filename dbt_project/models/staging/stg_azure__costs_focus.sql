-- grain: one row per charge of Azure's FOCUS exports
-- Repaired, as Azure is known to leave them: list and contracted costs of 0 where it has no price,
-- empty descriptions, publishers and services of purchases, ids in several spellings.
with

delivered as (
    select
        azure_costs_focus.*,
        azure_costs_focus.list_cost <> 0 or azure_costs_focus.effective_cost = 0 as has_list_price,
        azure_costs_focus.contracted_cost <> 0 or azure_costs_focus.effective_cost = 0 as has_contracted_price,
        coalesce(
            azure_costs_focus.service_name,
            {{ json_field('azure_costs_focus.payload', 'x_SkuMeterCategory') }}
        ) as service
    from {{ source('raw', 'azure_costs_focus') }} as azure_costs_focus
),

costs as (
    select
        delivered.account_id,
        delivered.usage_date,
        delivered.billing_period,
        delivered.delivery_id,
        delivered.row_number,
        delivered.availability_zone,
        delivered.billed_cost,
        delivered.billing_account_id,
        delivered.billing_account_name,
        delivered.billing_account_type,
        delivered.billing_currency,
        delivered.billing_period_end,
        delivered.billing_period_start,
        delivered.capacity_reservation_id,
        delivered.capacity_reservation_status,
        delivered.charge_category,
        delivered.charge_class,
        coalesce(
            delivered.charge_description,
            concat_ws(' ', delivered.charge_category, delivered.service, delivered.sku_meter)
        ) as charge_description,
        delivered.charge_frequency,
        delivered.charge_period_end,
        delivered.charge_period_start,
        delivered.commitment_discount_category,
        lower(delivered.commitment_discount_id) as commitment_discount_id,
        delivered.commitment_discount_name,
        delivered.commitment_discount_quantity,
        delivered.commitment_discount_status,
        delivered.commitment_discount_type,
        delivered.commitment_discount_unit,
        delivered.consumed_quantity,
        delivered.consumed_unit,
        case when delivered.has_contracted_price then delivered.contracted_cost end as contracted_cost,
        case when delivered.has_contracted_price then delivered.contracted_unit_price end
            as contracted_unit_price,
        delivered.effective_cost,
        delivered.invoice_id,
        delivered.invoice_issuer_name,
        case when delivered.has_list_price then delivered.list_cost end as list_cost,
        case when delivered.has_list_price then delivered.list_unit_price end as list_unit_price,
        delivered.pricing_category,
        delivered.pricing_currency,
        delivered.pricing_currency_contracted_unit_price,
        delivered.pricing_currency_effective_cost,
        delivered.pricing_currency_list_unit_price,
        delivered.pricing_quantity,
        delivered.pricing_unit,
        delivered.provider_name,
        coalesce(delivered.publisher_name, delivered.provider_name) as publisher_name,
        lower(nullif(delivered.region_id, '')) as region_id,
        delivered.region_name,
        lower(delivered.resource_id) as resource_id,
        delivered.resource_name,
        delivered.resource_type,
        delivered.service_category,
        delivered.service as service_name,
        delivered.service_subcategory,
        delivered.sku_id,
        delivered.sku_meter,
        delivered.sku_price_details,
        delivered.sku_price_id,
        -- a GUID, as the inventory and the other shapes have it
        regexp_replace(lower(delivered.sub_account_id), '^/subscriptions/', '') as sub_account_id,
        delivered.sub_account_name,
        delivered.sub_account_type,
        delivered.tags
    from delivered
)

{{ focus_charges('azure', priceless='effective_cost') }}
