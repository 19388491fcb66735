{#
    What a charge prices, so that a price can be told from a quantity: the article of the price list.
    Where a provider names none, the description that our own staging puts together from the meter,
    without what it says of commitment or price: neither makes another article.
#}
{% macro article(charge) -%}
    coalesce(
        {{ charge }}.sku_id,
        {{ charge }}.sku_meter,
        case
            when {{ charge }}.provider in ('aws', 'snowflake') and {{ charge }}.charge_category = 'Usage'
                then {{ without(
                    charge ~ '.charge_description',
                    '^(Usage|DiscountedUsage|SavingsPlanCoveredUsage) | at [0-9.]+ [A-Z]{3}$'
                ) }}
        end
    )
{%- endmacro %}

{# What a charge is to a commitment: bought, used or left unused; null if nothing. #}
{% macro commitment_use(charge) -%}
    case
        when {{ charge }}.commitment_discount_status = 'Unused' then 'unused'
        when {{ charge }}.commitment_discount_id is not null and {{ charge }}.charge_category = 'Purchase'
            then 'purchase'
        when
            {{ charge }}.charge_category = 'Usage'
            and ({{ charge }}.commitment_discount_id is not null or {{ charge }}.pricing_category = 'Committed')
            then 'used'
    end
{%- endmacro %}
