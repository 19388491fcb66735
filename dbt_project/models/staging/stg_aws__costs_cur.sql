-- grain: one row per line of a Cost and Usage Report that is in totals
-- Billed is what AWS charges (unblended, net of discounts where the payer has any), so that savings
-- plan negations cancel the covered usage beside them. Effective spreads commitments: covered usage
-- at its share of them, and on the commitment's own fee what nobody used.
with

lines as (
    select * from {{ source('raw', 'aws_costs_cur') }}
    -- a container's part of an instance repeats the instance's line: for allocation, not for totals
    where split_line_item_parent_resource_id is null
),

priced as (
    select
        lines.*,
        lines.line_item_line_item_type as line_type,
        {{ aws_unit('lines.pricing_unit') }} as unit,
        coalesce(lines.line_item_net_unblended_cost, lines.line_item_unblended_cost) as billed_cost,
        coalesce(
            lines.savings_plan_savings_plan_a_r_n, lines.reservation_reservation_a_r_n
        ) as commitment_id,
        {{ cur_effective_cost('lines') }} as effective_cost,
        {{ cur_charge_category('lines') }} as charge_category,
        lines.line_item_line_item_type in ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')
            as is_consumption,
        -- on lines that are no use of an article AWS writes 0 for "no price"
        case
            when
                lines.line_item_line_item_type in ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')
                and (
                    lines.pricing_public_on_demand_cost <> 0
                    or lines.line_item_unblended_cost = 0
                )
                then lines.pricing_public_on_demand_cost
        end as public_cost
    from lines
),

costs as (
    select
        priced.*,
        case
            when priced.line_type = 'SavingsPlanNegation' then 0
            when priced.line_type = 'DiscountedUsage' then coalesce(priced.public_cost, priced.effective_cost)
            else priced.billed_cost
        end as contracted_cost,
        case
            when priced.line_type = 'SavingsPlanNegation' then 0
            when priced.line_type = 'DiscountedUsage' then coalesce(priced.public_cost, priced.effective_cost)
            else coalesce(priced.public_cost, priced.line_item_unblended_cost)
        end as list_cost
    from priced
)

select
    costs.account_id,
    'aws' as provider,
    costs.usage_date,
    costs.billing_period,
    costs.delivery_id as x_delivery_id,
    costs.row_number as x_row_number,
    costs.bill_invoice_id is not null as x_is_final,
    case
        when costs.public_cost is not null then 'provider'
        when costs.line_type = 'SavingsPlanNegation' then 'modelled: 0'
        when costs.line_type = 'DiscountedUsage' then 'modelled: effective_cost'
        else 'modelled: line_item_unblended_cost'
    end as x_list_cost_source,
    case
        when costs.line_type = 'SavingsPlanNegation' then 'modelled: 0'
        when costs.line_type <> 'DiscountedUsage' then 'modelled: line_item_unblended_cost'
        when costs.public_cost is not null then 'modelled: pricing_public_on_demand_cost'
        else 'modelled: effective_cost'
    end as x_contracted_cost_source,
    'provider' as x_effective_cost_source,
    costs.line_item_availability_zone as availability_zone,
    costs.billed_cost,
    costs.bill_payer_account_id as billing_account_id,
    costs.bill_payer_account_name as billing_account_name,
    {{ null_of('text') }} as billing_account_type,
    costs.line_item_currency_code as billing_currency,
    {{ utc_midnight('costs.billing_period', '1 month') }} as billing_period_end,
    {{ utc_midnight('costs.billing_period') }} as billing_period_start,
    {{ null_of('text') }} as capacity_reservation_id,
    {{ null_of('text') }} as capacity_reservation_status,
    costs.charge_category,
    {{ null_of('text') }} as charge_class,
    costs.line_item_line_item_description as charge_description,
    case
        when costs.charge_category = 'Usage' then 'Usage-Based'
        when costs.line_type in ('RIFee', 'SavingsPlanRecurringFee') then 'Recurring'
        else 'One-Time'
    end as charge_frequency,
    case
        when costs.line_item_usage_end_date > costs.line_item_usage_start_date
            then costs.line_item_usage_end_date
        -- AWS writes some fees without a duration
        else {{ utc_midnight('costs.usage_date', '1 day') }}
    end as charge_period_end,
    costs.line_item_usage_start_date as charge_period_start,
    case
        when costs.savings_plan_savings_plan_a_r_n is not null then 'Spend'
        when costs.commitment_id is not null then 'Usage'
    end as commitment_discount_category,
    costs.commitment_id as commitment_discount_id,
    {{ null_of('text') }} as commitment_discount_name,
    case
        when costs.savings_plan_savings_plan_a_r_n is null
            then case when costs.commitment_id is not null then costs.line_item_usage_amount end
        when costs.line_type = 'SavingsPlanCoveredUsage' then costs.effective_cost
        when costs.line_type = 'SavingsPlanRecurringFee' then costs.savings_plan_total_commitment_to_date
    end as commitment_discount_quantity,
    case
        when costs.commitment_id is not null and costs.charge_category = 'Usage' then 'Used'
    end as commitment_discount_status,
    case
        when costs.savings_plan_savings_plan_a_r_n is not null
            then coalesce(costs.savings_plan_offering_type, 'SavingsPlans')
        when costs.commitment_id is not null then 'Reservation'
    end as commitment_discount_type,
    case
        when costs.savings_plan_savings_plan_a_r_n is null
            then
                case
                    when costs.commitment_id is not null and costs.line_item_usage_amount is not null
                        then coalesce(costs.unit, 'Units')
                end
        when costs.line_type in ('SavingsPlanCoveredUsage', 'SavingsPlanRecurringFee')
            then costs.line_item_currency_code
    end as commitment_discount_unit,
    case
        when costs.is_consumption and costs.unit is not null then costs.line_item_usage_amount
    end as consumed_quantity,
    case
        when costs.is_consumption and costs.line_item_usage_amount is not null then costs.unit
    end as consumed_unit,
    costs.contracted_cost,
    {{ null_of('numeric') }} as contracted_unit_price,
    costs.effective_cost,
    costs.bill_invoice_id as invoice_id,
    coalesce(
        costs.bill_invoicing_entity, costs.line_item_legal_entity, 'Amazon Web Services'
    ) as invoice_issuer_name,
    costs.list_cost,
    case
        when costs.public_cost is not null then costs.pricing_public_on_demand_rate
    end as list_unit_price,
    case
        when costs.line_type in ('DiscountedUsage', 'SavingsPlanCoveredUsage') then 'Committed'
        when costs.line_type <> 'Usage' then null
        when costs.pricing_term = 'Spot' or {{ matches('costs.line_item_usage_type', 'SpotUsage') }} then 'Dynamic'
        else 'Standard'
    end as pricing_category,
    -- AWS prices and bills in one currency
    costs.line_item_currency_code as pricing_currency,
    {{ null_of('numeric') }} as pricing_currency_contracted_unit_price,
    costs.effective_cost as pricing_currency_effective_cost,
    case
        when costs.public_cost is not null then costs.pricing_public_on_demand_rate
    end as pricing_currency_list_unit_price,
    case
        when costs.charge_category in ('Usage', 'Purchase') then costs.line_item_usage_amount
    end as pricing_quantity,
    case
        when costs.charge_category in ('Usage', 'Purchase') and costs.line_item_usage_amount is not null
            then coalesce(costs.unit, 'Units')
    end as pricing_unit,
    'AWS' as provider_name,
    case
        when costs.bill_billing_entity = 'AWS Marketplace' then coalesce(costs.line_item_legal_entity, 'AWS')
        else 'AWS'
    end as publisher_name,
    nullif(coalesce(costs.product_region_code, {{ json_field('costs.product', 'region') }}), 'global') as region_id,
    {{ null_of('text') }} as region_name,
    costs.line_item_resource_id as resource_id,
    {{ null_of('text') }} as resource_name,
    case
        when costs.line_item_resource_id is not null
            then coalesce(costs.product_product_family, costs.line_item_product_code)
    end as resource_type,
    {{ null_of('text') }} as service_category,
    coalesce(costs.product_product_name, costs.line_item_product_code) as service_name,
    {{ null_of('text') }} as service_subcategory,
    costs.product_sku as sku_id,
    case when costs.product_sku is not null then costs.line_item_usage_type end as sku_meter,
    {{ null_of('jsonb') }} as sku_price_details,
    costs.pricing_rate_code as sku_price_id,
    costs.line_item_usage_account_id as sub_account_id,
    costs.line_item_usage_account_name as sub_account_name,
    {{ null_of('text') }} as sub_account_type,
    {{ cur_tags('costs.resource_tags') }} as tags
from costs
