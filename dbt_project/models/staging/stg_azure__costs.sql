-- grain: one row per charge type, pricing model, resource, meter and day of Cost Management's query
-- The query knows neither list nor contracted prices: modelled costs say so in x_..._source. Where
-- it gives no row for a cost type, there is no cost of that type: 0, not unknown.
with

costs as (
    select
        azure_costs.*,
        coalesce(azure_costs.actual_cost, 0) as billed_cost,
        coalesce(azure_costs.amortized_cost, 0) as effective_cost,
        azure_costs.charge_type ~ '^(Usage|Unused)' as is_usage,
        coalesce(azure_costs.pricing_model in ('Reservation', 'SavingsPlan'), false) as is_committed,
        -- without its unit a quantity says nothing
        case when azure_costs.unit_of_measure is not null then azure_costs.quantity end as measured,
        {{ azure_unit_match('azure_costs.unit_of_measure') }} as unit
    from {{ source('raw', 'azure_costs') }} as azure_costs
),

charges as (
    select
        costs.*,
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
    -- the query never says that a figure is final
    null::boolean as x_is_final,
    case when charges.is_usage then 'modelled: effective_cost' else 'modelled: billed_cost' end
        as x_list_cost_source,
    case when charges.is_usage then 'modelled: effective_cost' else 'modelled: billed_cost' end
        as x_contracted_cost_source,
    'provider: amortized_cost' as x_effective_cost_source,
    null::text as availability_zone,
    charges.billed_cost,
    charges.subscription_id as billing_account_id,
    null::text as billing_account_name,
    null::text as billing_account_type,
    charges.currency as billing_currency,
    (charges.billing_period + interval '1 month') at time zone 'UTC' as billing_period_end,
    charges.billing_period::timestamp at time zone 'UTC' as billing_period_start,
    null::text as capacity_reservation_id,
    null::text as capacity_reservation_status,
    case
        when charges.is_usage then 'Usage'
        when charges.charge_type in ('Purchase', 'Refund') then 'Purchase'
        when charges.charge_type = 'Tax' then 'Tax'
        when charges.charge_type = 'Credit' then 'Credit'
        else 'Adjustment'
    end as charge_category,
    case when charges.charge_type = 'Refund' then 'Correction' end as charge_class,
    concat_ws(
        ' ', nullif(charges.charge_type, 'Usage'), charges.service_name, charges.meter_subcategory, charges.meter
    ) as charge_description,
    case
        when charges.is_usage then 'Usage-Based'
        when charges.charge_type = 'Purchase' and charges.is_committed then 'Recurring'
        else 'One-Time'
    end as charge_frequency,
    (charges.usage_date + interval '1 day') at time zone 'UTC' as charge_period_end,
    charges.usage_date::timestamp at time zone 'UTC' as charge_period_start,
    -- the query does not tell which commitment paid, and FOCUS wants its id with all the rest
    null::text as commitment_discount_category,
    null::text as commitment_discount_id,
    null::text as commitment_discount_name,
    null::numeric as commitment_discount_quantity,
    null::text as commitment_discount_status,
    null::text as commitment_discount_type,
    null::text as commitment_discount_unit,
    case
        when charges.charge_type = 'Usage' then trim_scale(charges.measured * charges.unit_block)
    end as consumed_quantity,
    case
        when charges.charge_type = 'Usage' and charges.measured is not null then charges.unit_name
    end as consumed_unit,
    case when charges.is_usage then charges.effective_cost else charges.billed_cost end as contracted_cost,
    null::numeric as contracted_unit_price,
    charges.effective_cost,
    null::text as invoice_id,
    'Microsoft' as invoice_issuer_name,
    case when charges.is_usage then charges.effective_cost else charges.billed_cost end as list_cost,
    null::numeric as list_unit_price,
    case
        when not charges.is_usage then null
        when charges.is_committed then 'Committed'
        when charges.pricing_model = 'Spot' then 'Dynamic'
        else 'Standard'
    end as pricing_category,
    null::text as pricing_currency,
    null::numeric as pricing_currency_contracted_unit_price,
    null::numeric as pricing_currency_effective_cost,
    null::numeric as pricing_currency_list_unit_price,
    case when charges.charge_type <> 'Tax' then charges.measured end as pricing_quantity,
    case
        when charges.charge_type <> 'Tax' and charges.measured is not null
            then {{ azure_pricing_unit('charges.unit_block', 'charges.unit_name') }}
    end as pricing_unit,
    'Microsoft' as provider_name,
    'Microsoft' as publisher_name,
    {{ azure_region('charges.resource_location') }} as region_id,
    case
        when {{ azure_region('charges.resource_location') }} is not null then charges.resource_location
    end as region_name,
    charges.resource_id,
    {{ azure_name_of('charges.resource_id') }} as resource_name,
    {{ azure_type_of('charges.resource_id') }} as resource_type,
    null::text as service_category,
    coalesce(charges.service_name, 'Unknown') as service_name,
    null::text as service_subcategory,
    charges.meter_id as sku_id,
    charges.meter as sku_meter,
    null::jsonb as sku_price_details,
    null::text as sku_price_id,
    charges.subscription_id as sub_account_id,
    null::text as sub_account_name,
    'Subscription' as sub_account_type,
    null::jsonb as tags
from charges
