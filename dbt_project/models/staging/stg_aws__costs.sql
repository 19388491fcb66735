-- grain: one row per Cost Explorer group and day
-- Cost Explorer knows neither list nor contracted prices nor resources: modelled costs say so in
-- x_..._source, the rest is null.
with

costs as (
    select * from {{ source('raw', 'aws_costs') }}
)

select
    costs.account_id,
    'aws' as provider,
    costs.usage_date,
    costs.billing_period,
    costs.delivery_id as x_delivery_id,
    costs.row_number as x_row_number,
    not costs.is_estimated as x_is_final,
    'modelled: unblended_cost' as x_list_cost_source,
    'modelled: unblended_cost' as x_contracted_cost_source,
    case
        when costs.net_amortized_cost is null then 'provider: amortized_cost'
        else 'provider'
    end as x_effective_cost_source,
    null::text as availability_zone,
    coalesce(costs.net_unblended_cost, costs.unblended_cost) as billed_cost,
    costs.linked_account_id as billing_account_id,
    null::text as billing_account_name,
    null::text as billing_account_type,
    costs.currency as billing_currency,
    (costs.billing_period + interval '1 month') at time zone 'UTC' as billing_period_end,
    costs.billing_period::timestamp at time zone 'UTC' as billing_period_start,
    null::text as capacity_reservation_id,
    null::text as capacity_reservation_status,
    case
        when costs.record_type = 'Tax' then 'Tax'
        when costs.record_type = 'Credit' then 'Credit'
        -- refunds, discounts booked as lines of their own, rounding and out-of-cycle charges
        when costs.record_type ~* 'refund|discount$|out-of-cycle|^other' then 'Adjustment'
        when costs.record_type ~* 'fee$' then 'Purchase'
        -- savings plan negations stay beside the covered usage that they cancel
        else 'Usage'
    end as charge_category,
    null::text as charge_class,
    concat_ws(' ', costs.record_type, costs.service, costs.usage_type) as charge_description,
    case
        when costs.record_type ~* 'recurring|^rifee$|support' then 'Recurring'
        when costs.record_type ~* 'fee$' then 'One-Time'
        when costs.record_type ~* '^tax$|^credit$|refund|discount$|out-of-cycle|^other' then 'One-Time'
        else 'Usage-Based'
    end as charge_frequency,
    (costs.usage_date + interval '1 day') at time zone 'UTC' as charge_period_end,
    costs.usage_date::timestamp at time zone 'UTC' as charge_period_start,
    null::text as commitment_discount_category,
    null::text as commitment_discount_id,
    null::text as commitment_discount_name,
    null::numeric as commitment_discount_quantity,
    null::text as commitment_discount_status,
    null::text as commitment_discount_type,
    null::text as commitment_discount_unit,
    case when costs.record_type ~* 'usage$' then costs.usage_quantity end as consumed_quantity,
    case
        when costs.record_type ~* 'usage$' and costs.usage_quantity is not null then {{ aws_unit('costs.usage_unit') }}
    end as consumed_unit,
    costs.unblended_cost as contracted_cost,
    null::numeric as contracted_unit_price,
    coalesce(costs.net_amortized_cost, costs.amortized_cost) as effective_cost,
    null::text as invoice_id,
    'Amazon Web Services' as invoice_issuer_name,
    costs.unblended_cost as list_cost,
    null::numeric as list_unit_price,
    case
        when costs.record_type ~* '^(discountedusage|savingsplancoveredusage)$' then 'Committed'
        when costs.record_type = 'Usage' and costs.usage_type ~ 'SpotUsage' then 'Dynamic'
        when costs.record_type = 'Usage' then 'Standard'
    end as pricing_category,
    -- Cost Explorer prices and bills in the one currency that it answers in
    costs.currency as pricing_currency,
    null::numeric as pricing_currency_contracted_unit_price,
    coalesce(costs.net_amortized_cost, costs.amortized_cost) as pricing_currency_effective_cost,
    null::numeric as pricing_currency_list_unit_price,
    case when costs.record_type <> 'Tax' then costs.usage_quantity end as pricing_quantity,
    case
        when costs.record_type <> 'Tax' and costs.usage_quantity is not null then {{ aws_unit('costs.usage_unit') }}
    end as pricing_unit,
    'AWS' as provider_name,
    'AWS' as publisher_name,
    costs.region as region_id,
    null::text as region_name,
    null::text as resource_id,
    null::text as resource_name,
    null::text as resource_type,
    null::text as service_category,
    costs.service as service_name,
    null::text as service_subcategory,
    null::text as sku_id,
    -- of no article that could be named: the usage type is in the description
    null::text as sku_meter,
    null::jsonb as sku_price_details,
    null::text as sku_price_id,
    costs.linked_account_id as sub_account_id,
    null::text as sub_account_name,
    null::text as sub_account_type,
    null::jsonb as tags
from costs
