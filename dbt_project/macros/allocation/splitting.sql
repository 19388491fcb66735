{#
    What a target gets of a cost: the difference of two cuts. Targets lie one after another, a cut is
    rounded to twelve decimals, the first is 0 and the last the whole cost, so the parts sum up to it
    whatever its sign and its decimals.
#}
{% macro part_of(cost, target) -%}
    case
        when {{ target }}.value is null then {{ cost }}
        else
            case
                when {{ target }}.is_last then {{ cost }}
                else round({{ cost }} * {{ target }}.weight_until / {{ target }}.weight_of_all, 12)
            end
            - round({{ cost }} * {{ target }}.weight_before / {{ target }}.weight_of_all, 12)
    end
{%- endmacro %}

{# The rows with those that the dimension splits exchanged for one per target. #}
{% macro split_by(relation, dimension) %}
    select
        {{ relation }}.provider,
        {{ relation }}.account_id,
        {{ relation }}.billing_account_id,
        {{ relation }}.sub_account_id,
        {{ relation }}.sub_account_name,
        {{ relation }}.service_category,
        {{ relation }}.service_name,
        {{ relation }}.region_id,
        {{ relation }}.charge_category,
        {{ relation }}.billing_currency,
        {{ relation }}.usage_date,
        {{ relation }}.billing_period,
        {%- for name in ['team', 'cost_center', 'environment'] %}
        {%- if name == dimension %}
        coalesce(targets.value, {{ relation }}.{{ name }}) as {{ name }},
        -- a split that finds nothing to split by leaves the cost unallocated
        case
            when {{ relation }}.{{ name }}_source = 'shared' and targets.value is null then 'unallocated'
            else {{ relation }}.{{ name }}_source
        end as {{ name }}_source,
        {%- else %}
        {{ relation }}.{{ name }},
        {{ relation }}.{{ name }}_source,
        {%- endif %}
        {{ relation }}.{{ name }}_rule_id,
        {%- endfor %}
        {%- for cost in ['list_cost', 'contracted_cost', 'effective_cost', 'billed_cost'] %}
        {{ part_of(relation ~ '.' ~ cost, 'targets') }} as {{ cost }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }}
    left join {{ this.identifier }}__targets as targets
        on
            targets.rule_id = {{ relation }}.{{ dimension }}_rule_id
            and targets.usage_date = {{ relation }}.usage_date
            and targets.billing_currency = {{ relation }}.billing_currency
{% endmacro %}
