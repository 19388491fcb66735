{#
    The effective cost of a line of a Cost and Usage Report, by its type, net of discounts where AWS
    gives net columns. A savings plan's recurring fee and a reservation's RIFee keep what nobody used;
    upfront fees and negations keep nothing: covered usage has it all.
#}
{% macro cur_effective_cost(line) -%}
    case {{ line }}.line_item_line_item_type
        when 'SavingsPlanCoveredUsage' then
            coalesce(
                {{ line }}.savings_plan_net_savings_plan_effective_cost,
                {{ line }}.savings_plan_savings_plan_effective_cost
            )
        when 'SavingsPlanRecurringFee' then
            coalesce(
                {{ line }}.savings_plan_total_commitment_to_date - {{ line }}.savings_plan_used_commitment,
                {{ line }}.line_item_net_unblended_cost,
                {{ line }}.line_item_unblended_cost
            )
        when 'SavingsPlanNegation' then 0
        when 'SavingsPlanUpfrontFee' then 0
        when 'DiscountedUsage' then
            coalesce({{ line }}.reservation_net_effective_cost, {{ line }}.reservation_effective_cost)
        when 'RIFee' then
            coalesce(
                {{ line }}.reservation_net_unused_amortized_upfront_fee_for_billing_period,
                {{ line }}.reservation_unused_amortized_upfront_fee_for_billing_period,
                0
            )
            + coalesce(
                {{ line }}.reservation_net_unused_recurring_fee,
                {{ line }}.reservation_unused_recurring_fee,
                0
            )
        else
            case
                when
                    {{ line }}.line_item_line_item_type = 'Fee'
                    and {{ line }}.reservation_reservation_a_r_n is not null
                    then 0
                else coalesce({{ line }}.line_item_net_unblended_cost, {{ line }}.line_item_unblended_cost)
            end
    end
{%- endmacro %}

{# FOCUS's charge category of a line; negations stay usage, beside the usage that they cancel. #}
{% macro cur_charge_category(line) -%}
    case
        when {{ line }}.line_item_line_item_type = 'Tax' then 'Tax'
        when {{ line }}.line_item_line_item_type = 'Credit' then 'Credit'
        -- refunds, and discounts that AWS books as lines of their own
        when {{ matches(line ~ '.line_item_line_item_type', 'refund|discount$', any_case=true) }} then 'Adjustment'
        when {{ matches(line ~ '.line_item_line_item_type', 'fee$', any_case=true) }} then 'Purchase'
        else 'Usage'
    end
{%- endmacro %}

{#
    Tags under the names that people gave them: legacy reports write user:team, CUR 2.0 user_team.
    AWS's own (aws:createdBy) keep their prefix. Empty values are no tags.
#}
{% macro cur_tags(tags) %}{{ return(adapter.dispatch('cur_tags')(tags)) }}{% endmacro %}

{% macro default__cur_tags(tags) -%}
    case
        when {{ tags }} is not null then (
            select jsonb_object_agg(regexp_replace(tag.key, '^user[:_]', ''), tag.value)
            from jsonb_each({{ tags }}) as tag
            where tag.value not in ('null'::jsonb, '""'::jsonb)
        )
    end
{%- endmacro %}

{% macro spark__cur_tags(tags) -%}
    nullif(
        to_json(
            map_from_entries(
                transform(
                    filter(map_entries(from_json({{ tags }}, 'map<string, string>')), tag -> tag.value <> ''),
                    tag -> struct(regexp_replace(tag.key, '^user[:_]', ''), tag.value)
                )
            )
        ),
        '{}'
    )
{%- endmacro %}
