-- grain: one row per row of amortized exports, per purchase or refund of a commitment, and per
-- difference between the two exports, which is an adjustment
-- Prices of 0 mean that none is given: then costs are modelled, as x_..._source says.
with

costs as (
    select
        azure_costs_export.*,
        lower(azure_costs_export.resource_id) as resource,
        coalesce(azure_costs_export.charge_type, 'Usage') as charge,
        coalesce(azure_costs_export.benefit_id, azure_costs_export.reservation_id) as commitment_id,
        coalesce(azure_costs_export.actual_cost, 0) as billed_cost,
        coalesce(azure_costs_export.amortized_cost, 0) as effective_cost,
        -- prices are in the currency of the price sheet
        case
            when
                coalesce(azure_costs_export.pricing_currency, azure_costs_export.billing_currency)
                = azure_costs_export.billing_currency
                then nullif(azure_costs_export.pay_g_price, 0)
        end as list_price,
        case
            when
                coalesce(azure_costs_export.pricing_currency, azure_costs_export.billing_currency)
                = azure_costs_export.billing_currency
                then nullif(azure_costs_export.unit_price, 0)
        end as agreed_price,
        case when azure_costs_export.unit_of_measure is not null then azure_costs_export.quantity end as measured,
        {{ azure_unit_match('azure_costs_export.unit_of_measure') }} as unit
    from {{ source('raw', 'azure_costs_export') }} as azure_costs_export
),

charges as (
    select
        costs.*,
        {{ matches('costs.charge', '^(Usage|Unused)') }} as is_usage,
        coalesce(
            lower(replace(costs.pricing_model, ' ', '')) in ('reservation', 'savingsplan'),
            costs.reservation_id is not null
        ) as is_committed,
        {{ azure_unit_block('costs.unit') }} as unit_block,
        {{ azure_unit_name('costs.unit', 'costs.unit_of_measure') }} as unit_name
    from costs
)

select
    charges.account_id,
    'azure' as provider,
    charges.usage_date,
    charges.billing_period,
    charges.delivery_id as x_delivery_id,
    charges.row_number as x_row_number,
    case when charges.invoice_id is not null then true end as x_is_final,
    case
        when charges.is_usage and {{ product('charges.list_price', 'charges.measured') }} is not null
            then 'modelled: pay_g_price'
        when charges.is_usage then 'modelled: effective_cost'
        else 'modelled: billed_cost'
    end as x_list_cost_source,
    case
        when charges.is_usage and {{ product('charges.agreed_price', 'charges.measured') }} is not null
            then 'modelled: unit_price'
        when charges.is_usage then 'modelled: effective_cost'
        else 'modelled: billed_cost'
    end as x_contracted_cost_source,
    'provider: amortized_cost' as x_effective_cost_source,
    charges.availability_zone,
    charges.billed_cost,
    coalesce(charges.billing_profile_id, charges.billing_account_id, lower(charges.subscription_id))
        as billing_account_id,
    coalesce(charges.billing_profile_name, charges.billing_account_name) as billing_account_name,
    case
        when charges.billing_profile_id <> charges.billing_account_id then 'Billing Profile'
        when charges.billing_account_id is not null then 'Billing Account'
    end as billing_account_type,
    charges.billing_currency,
    {{ utc_midnight('charges.billing_period', '1 month') }} as billing_period_end,
    {{ utc_midnight('charges.billing_period') }} as billing_period_start,
    {{ null_of('text') }} as capacity_reservation_id,
    {{ null_of('text') }} as capacity_reservation_status,
    case
        when charges.is_usage then 'Usage'
        when charges.charge in ('Purchase', 'Refund') then 'Purchase'
        when charges.charge = 'Tax' then 'Tax'
        when charges.charge = 'Credit' then 'Credit'
        else 'Adjustment'
    end as charge_category,
    case when charges.charge = 'Refund' then 'Correction' end as charge_class,
    coalesce(
        charges.product_name,
        concat_ws(' ', charges.meter_category, charges.meter_sub_category, charges.meter_name)
    ) as charge_description,
    case
        when charges.is_usage then 'Usage-Based'
        when charges.frequency = 'Recurring' then 'Recurring'
        else 'One-Time'
    end as charge_frequency,
    {{ utc_midnight('charges.usage_date', '1 day') }} as charge_period_end,
    {{ utc_midnight('charges.usage_date') }} as charge_period_start,
    case
        when charges.is_committed and lower(charges.commitment_id) like '%savingsplan%' then 'Spend'
        when charges.is_committed and charges.commitment_id is not null then 'Usage'
    end as commitment_discount_category,
    case when charges.is_committed then lower(charges.commitment_id) end as commitment_discount_id,
    case when charges.is_committed then coalesce(charges.benefit_name, charges.reservation_name) end
        as commitment_discount_name,
    {{ null_of('numeric') }} as commitment_discount_quantity,
    case
        when charges.commitment_id is null or not charges.is_committed or not charges.is_usage then null
        when charges.charge like 'Unused%' then 'Unused'
        else 'Used'
    end as commitment_discount_status,
    case
        when charges.is_committed and lower(charges.commitment_id) like '%savingsplan%' then 'Savings Plan'
        when charges.is_committed and charges.commitment_id is not null then 'Reservation'
    end as commitment_discount_type,
    {{ null_of('text') }} as commitment_discount_unit,
    case
        when charges.charge = 'Usage' then {{ trimmed(product('charges.measured', 'charges.unit_block')) }}
    end as consumed_quantity,
    case when charges.charge = 'Usage' and charges.measured is not null then charges.unit_name end as consumed_unit,
    case
        when not charges.is_usage then charges.billed_cost
        else coalesce({{ product('charges.agreed_price', 'charges.measured') }}, charges.effective_cost)
    end as contracted_cost,
    case when charges.charge <> 'Tax' then charges.agreed_price end as contracted_unit_price,
    charges.effective_cost,
    charges.invoice_id,
    'Microsoft' as invoice_issuer_name,
    case
        when not charges.is_usage then charges.billed_cost
        else coalesce({{ product('charges.list_price', 'charges.measured') }}, charges.effective_cost)
    end as list_cost,
    case when charges.charge <> 'Tax' then charges.list_price end as list_unit_price,
    case
        when not charges.is_usage then null
        when charges.is_committed then 'Committed'
        when charges.pricing_model = 'Spot' then 'Dynamic'
        else 'Standard'
    end as pricing_category,
    charges.pricing_currency,
    {{ null_of('numeric') }} as pricing_currency_contracted_unit_price,
    case when charges.export_type = 'amortized' then charges.cost_in_pricing_currency end
        as pricing_currency_effective_cost,
    {{ null_of('numeric') }} as pricing_currency_list_unit_price,
    case when charges.charge <> 'Tax' then charges.measured end as pricing_quantity,
    case
        when charges.charge <> 'Tax' and charges.measured is not null
            then {{ azure_pricing_unit('charges.unit_block', 'charges.unit_name') }}
    end as pricing_unit,
    'Microsoft' as provider_name,
    coalesce(charges.publisher_name, 'Microsoft') as publisher_name,
    {{ azure_region('charges.resource_location') }} as region_id,
    case
        when {{ azure_region('charges.resource_location') }} is not null then charges.resource_location
    end as region_name,
    charges.resource as resource_id,
    {{ azure_name_of('charges.resource') }} as resource_name,
    {{ azure_type_of('charges.resource') }} as resource_type,
    {{ null_of('text') }} as service_category,
    coalesce(charges.meter_category, 'Unknown') as service_name,
    {{ null_of('text') }} as service_subcategory,
    charges.meter_id as sku_id,
    charges.meter_name as sku_meter,
    {{ null_of('jsonb') }} as sku_price_details,
    charges.part_number as sku_price_id,
    lower(charges.subscription_id) as sub_account_id,
    charges.subscription_name as sub_account_name,
    'Subscription' as sub_account_type,
    charges.tags
from charges
