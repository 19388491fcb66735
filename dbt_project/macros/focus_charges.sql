{#
    Charges of FOCUS files in our staging columns, whoever delivered them: `costs` is a CTE or
    relation with the columns of FOCUS_COLUMNS. What a file leaves out or spells in its own way is
    repaired here, once for all providers. `priceless` names the cost that stands in for list and
    contracted costs that are not given.
#}
{% macro focus_charges(provider, priceless='billed_cost') -%}
select
    costs.account_id,
    '{{ provider }}' as provider,
    costs.usage_date,
    costs.billing_period,
    costs.delivery_id as x_delivery_id,
    costs.row_number as x_row_number,
    case when costs.invoice_id is not null then true end as x_is_final,
    case
        when costs.list_cost is null then 'modelled: {{ priceless }}'
        else 'provider'
    end as x_list_cost_source,
    case
        when costs.contracted_cost is null then 'modelled: {{ priceless }}'
        else 'provider'
    end as x_contracted_cost_source,
    case
        when costs.effective_cost is null then 'modelled: billed_cost'
        else 'provider'
    end as x_effective_cost_source,
    costs.availability_zone,
    costs.billed_cost,
    costs.billing_account_id,
    costs.billing_account_name,
    costs.billing_account_type,
    costs.billing_currency,
    costs.billing_period_end,
    costs.billing_period_start,
    costs.capacity_reservation_id,
    costs.capacity_reservation_status,
    -- never null in FOCUS: what its issuer files nowhere is no usage
    coalesce({{ capitalised('costs.charge_category') }}, 'Adjustment') as charge_category,
    costs.charge_class,
    costs.charge_description,
    case lower(costs.charge_frequency)
        when 'usage-based' then 'Usage-Based'
        when 'one-time' then 'One-Time'
        when 'recurring' then 'Recurring'
        else costs.charge_frequency
    end as charge_frequency,
    costs.charge_period_end,
    costs.charge_period_start,
    costs.commitment_discount_category,
    costs.commitment_discount_id,
    costs.commitment_discount_name,
    costs.commitment_discount_quantity,
    costs.commitment_discount_status,
    costs.commitment_discount_type,
    costs.commitment_discount_unit,
    costs.consumed_quantity,
    costs.consumed_unit,
    coalesce(costs.contracted_cost, costs.{{ priceless }}) as contracted_cost,
    costs.contracted_unit_price,
    coalesce(costs.effective_cost, costs.billed_cost) as effective_cost,
    costs.invoice_id,
    costs.invoice_issuer_name,
    coalesce(costs.list_cost, costs.{{ priceless }}) as list_cost,
    costs.list_unit_price,
    costs.pricing_category,
    -- FOCUS 1.0 and 1.1 know one currency, and have the unit prices in it
    coalesce(costs.pricing_currency, costs.billing_currency) as pricing_currency,
    costs.pricing_currency_contracted_unit_price,
    coalesce(
        costs.pricing_currency_effective_cost,
        case
            when coalesce(costs.pricing_currency, costs.billing_currency) = costs.billing_currency
                then coalesce(costs.effective_cost, costs.billed_cost)
        end
    ) as pricing_currency_effective_cost,
    costs.pricing_currency_list_unit_price,
    costs.pricing_quantity,
    costs.pricing_unit,
    costs.provider_name,
    costs.publisher_name,
    costs.region_id,
    costs.region_name,
    costs.resource_id,
    costs.resource_name,
    costs.resource_type,
    costs.service_category,
    -- Azure's files leave it empty on some purchases and adjustments
    coalesce(costs.service_name, 'Unknown') as service_name,
    costs.service_subcategory,
    costs.sku_id,
    costs.sku_meter,
    costs.sku_price_details,
    costs.sku_price_id,
    costs.sub_account_id,
    costs.sub_account_name,
    costs.sub_account_type,
    costs.tags
from costs
{%- endmacro %}
