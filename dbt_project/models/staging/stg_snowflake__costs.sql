-- grain: one row per line of a day's bill
-- The bill knows neither list prices nor anything below the account: modelled costs say so in
-- x_..._source, the rest is null. What a line is priced in depends on its rating type.
with

costs as (
    select
        lines.*,
        lower(lines.billing_type) as billing_kind,
        lower(lines.rating_type) as rating_kind,
        case
            when lower(lines.billing_type) in ('rebate', 'support_credit') then 'Credit'
            when lines.is_adjustment then 'Adjustment'
            when lower(lines.billing_type) in ('priority support', 'vps_deployment_fee') then 'Purchase'
            else 'Usage'
        end as charge_category
    from {{ source('raw', 'snowflake_costs') }} as lines
)

select
    costs.account_id,
    'snowflake' as provider,
    costs.usage_date,
    costs.billing_period,
    costs.delivery_id as x_delivery_id,
    costs.row_number as x_row_number,
    -- Snowflake does not say when a month is closed
    null::boolean as x_is_final,
    'modelled: billed_cost' as x_list_cost_source,
    'modelled: billed_cost' as x_contracted_cost_source,
    'modelled: billed_cost' as x_effective_cost_source,
    null::text as availability_zone,
    costs.usage_in_currency as billed_cost,
    coalesce(costs.organization_name, costs.contract_number) as billing_account_id,
    costs.organization_name as billing_account_name,
    'Organization' as billing_account_type,
    costs.currency as billing_currency,
    (costs.billing_period + interval '1 month') at time zone 'UTC' as billing_period_end,
    costs.billing_period::timestamp at time zone 'UTC' as billing_period_start,
    null::text as capacity_reservation_id,
    null::text as capacity_reservation_status,
    costs.charge_category,
    null::text as charge_class,
    concat_ws(
        ' ', costs.usage_type, 'of ' || costs.service_type, 'paid from ' || costs.balance_source
    ) as charge_description,
    case costs.charge_category
        when 'Usage' then 'Usage-Based'
        when 'Purchase' then 'Recurring'
        else 'One-Time'
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
    case when costs.charge_category = 'Usage' then costs.usage end as consumed_quantity,
    case
        when costs.charge_category = 'Usage' and costs.usage is not null
            then {{ snowflake_unit('costs.rating_kind') }}
    end as consumed_unit,
    costs.usage_in_currency as contracted_cost,
    null::numeric as contracted_unit_price,
    costs.usage_in_currency as effective_cost,
    null::text as invoice_id,
    'Snowflake' as invoice_issuer_name,
    costs.usage_in_currency as list_cost,
    null::numeric as list_unit_price,
    case when costs.charge_category = 'Usage' then 'Standard' end as pricing_category,
    case when costs.rating_kind = 'compute' then 'CREDITS' else costs.currency end as pricing_currency,
    null::numeric as pricing_currency_contracted_unit_price,
    case
        when costs.rating_kind = 'compute' then costs.usage
        else costs.usage_in_currency
    end as pricing_currency_effective_cost,
    null::numeric as pricing_currency_list_unit_price,
    costs.usage as pricing_quantity,
    case when costs.usage is not null then {{ snowflake_unit('costs.rating_kind') }} end as pricing_unit,
    'Snowflake' as provider_name,
    'Snowflake' as publisher_name,
    costs.region as region_id,
    null::text as region_name,
    null::text as resource_id,
    null::text as resource_name,
    null::text as resource_type,
    null::text as service_category,
    upper(coalesce(costs.service_type, costs.usage_type, costs.billing_type)) as service_name,
    null::text as service_subcategory,
    null::text as sku_id,
    -- of no article that could be named: the kind of usage is in the description
    null::text as sku_meter,
    null::jsonb as sku_price_details,
    null::text as sku_price_id,
    costs.account_locator as sub_account_id,
    costs.account_name as sub_account_name,
    case when costs.account_locator is not null then 'Account' end as sub_account_type,
    null::jsonb as tags
from costs
