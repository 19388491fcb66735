{#
    How each raw table's money becomes the four costs of FOCUS, said a second time beside staging:
    the tie-out holds raw rows, summed by this, against what staging made of them.

    `delivered`: the contract's cost types. Of the four, a list names columns of which the first that
    is not null counts (a control total for the first is one for the FOCUS cost); a text is SQL; one
    that is left out is modelled in staging from more than money, and nothing in raw is compared.
    `excluded`: rows that staging leaves out, {reason: condition}.
#}
{% macro raw_costs() %}
    {%- set focus = {
        'currency': 'billing_currency',
        'delivered': ['billed_cost', 'effective_cost', 'list_cost', 'contracted_cost'],
        'billed_cost': ['billed_cost'],
        'effective_cost': ['effective_cost', 'billed_cost'],
        'list_cost': ['list_cost', 'billed_cost'],
        'contracted_cost': ['contracted_cost', 'billed_cost'],
    } -%}
    {{ return({
        'aws_costs': {
            'currency': 'currency',
            'delivered': ['unblended_cost', 'amortized_cost', 'net_unblended_cost', 'net_amortized_cost'],
            'billed_cost': ['net_unblended_cost', 'unblended_cost'],
            'effective_cost': ['net_amortized_cost', 'amortized_cost'],
            'list_cost': ['unblended_cost'],
            'contracted_cost': ['unblended_cost'],
        },
        'aws_costs_cur': {
            'currency': 'line_item_currency_code',
            'delivered': ['line_item_unblended_cost', 'line_item_net_unblended_cost'],
            'billed_cost': ['line_item_net_unblended_cost', 'line_item_unblended_cost'],
            'effective_cost': cur_effective_cost('aws_costs_cur'),
            'excluded': {
                'part of a container in an instance that has a line of its own':
                    'split_line_item_parent_resource_id is not null',
            },
        },
        'aws_costs_focus': focus,
        'focus_costs': focus,
        'azure_costs': {
            'currency': 'currency',
            'delivered': ['actual_cost', 'amortized_cost'],
            'billed_cost': ['actual_cost'],
            'effective_cost': ['amortized_cost'],
            'list_cost': azure_cost_of_use(),
            'contracted_cost': azure_cost_of_use(),
        },
        'azure_costs_export': {
            'currency': 'billing_currency',
            'delivered': ['actual_cost', 'amortized_cost', 'unmatched_cost'],
            'billed_cost': ['actual_cost'],
            'effective_cost': ['amortized_cost'],
        },
        'azure_costs_focus': {
            'currency': 'billing_currency',
            'delivered': ['billed_cost', 'effective_cost'],
            'billed_cost': ['billed_cost'],
            'effective_cost': ['effective_cost', 'billed_cost'],
        },
        'snowflake_costs': one_cost('usage_in_currency'),
        'snowflake_costs_metering': one_cost('usage_in_currency'),
        'openai_costs': one_cost('amount'),
        'anthropic_costs': one_cost('amount'),
    }) }}
{% endmacro %}

{# What Azure's query tells of use is its share of commitments, of all else the bill. #}
{% macro azure_cost_of_use() -%}
    case when charge_type ~ '^(Usage|Unused)' then amortized_cost else actual_cost end
{%- endmacro %}

{# A bill that tells one cost, which then is all four. #}
{% macro one_cost(column) %}
    {{ return({
        'currency': 'currency',
        'delivered': [column],
        'billed_cost': [column],
        'effective_cost': [column],
        'list_cost': [column],
        'contracted_cost': [column],
    }) }}
{% endmacro %}

{% macro focus_costs() %}
    {{ return(['billed_cost', 'effective_cost', 'list_cost', 'contracted_cost']) }}
{% endmacro %}

{# One of the four as SQL over a row of the raw table. #}
{% macro raw_cost(table, focus_cost) -%}
    {%- set from = raw_costs()[table][focus_cost] -%}
    {%- if from is string -%} {{ from }} {%- else -%} coalesce({{ from | join(', ') }}, null) {%- endif -%}
{%- endmacro %}

{# (raw_table, control_type, cost_type): the control totals that are ones for a FOCUS cost. #}
{% macro controls_of_focus_costs() %}
    {%- if execute -%}
    {%- set lines = [] -%}
    {%- for table, costs in raw_costs().items() -%}
        {%- for cost in focus_costs() if cost in costs -%}
            {%- set column = cost if costs[cost] is string else costs[cost][0] -%}
            {%- do lines.append("('" ~ table ~ "', '" ~ column ~ "', '" ~ cost ~ "')") -%}
        {%- endfor -%}
    {%- endfor -%}
    select * from (values {{ lines | join(', ') }}) as known (raw_table, control_type, cost_type)
    {%- else -%}
    select null::text as raw_table, null::text as control_type, null::text as cost_type
    {%- endif -%}
{% endmacro %}

{# (raw_table, cost_type): the FOCUS costs that only staging knows. #}
{% macro modelled_costs() %}
    {%- if execute -%}
    {%- set lines = ["(null::text, null::text)"] -%}
    {%- for table, costs in raw_costs().items() -%}
        {%- for cost in focus_costs() if cost not in costs -%}
            {%- do lines.append("('" ~ table ~ "', '" ~ cost ~ "')") -%}
        {%- endfor -%}
    {%- endfor -%}
    select * from (values {{ lines | join(', ') }}) as known (raw_table, cost_type)
    {%- else -%}
    select null::text as raw_table, null::text as cost_type
    {%- endif -%}
{% endmacro %}
