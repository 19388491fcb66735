{#
    Breaches are judged from a day on. Sensor and pages leave the setting out: then it is the month
    before the build's, or the rule's first period. A back-test sets it for its transaction, and reads
    the same views over as many days as it wants.
#}
{% macro breaches_since() -%}
    nullif(current_setting('astraeus.breaches_since', true), '')::date
{%- endmacro %}

{# What the Costs page calls a provider: bills in the FOCUS format go by the name of their account. #}
{% macro provider_label(provider, account_name) -%}
    case {{ provider }}
        when 'focus' then {{ account_name }}
        when 'aws' then 'AWS'
        when 'azure' then 'Azure'
        when 'snowflake' then 'Snowflake'
        when 'openai' then 'OpenAI'
        when 'anthropic' then 'Anthropic'
        else {{ provider }}
    end
{%- endmacro %}

{#
    Whether a rule's filters let a row pass; `columns` by dimension of the Costs page, so that a rule
    and the page that its message links to mean the same rows. A dimension without a column here is
    refused when the rule is made.
#}
{% macro passes(rules, columns) -%}
    {%- for dimension, column in columns.items() %}
    and (not {{ rules }}.filters ? '{{ dimension }}' or coalesce({{ rules }}.filters -> '{{ dimension }}' ? {{ column }}, false))
    {%- endfor -%}
{%- endmacro %}

{# The cost that a rule is about. #}
{% macro cost_of_type(rules, costs) -%}
    case {{ rules }}.cost_type
        when 'billed' then {{ costs }}.billed_cost
        when 'list' then {{ costs }}.list_cost
        when 'contracted' then {{ costs }}.contracted_cost
        else {{ costs }}.effective_cost
    end
{%- endmacro %}

{# The worst state that days are in, from its rank: a sum is as final as its least final day. #}
{% macro state_rank(state) -%}
    case {{ state }} when 'partial' then 1 when 'estimated' then 2 when 'final' then 3 when 'invoiced' then 4 end
{%- endmacro %}

{% macro state_of_rank(rank) -%}
    (array['partial', 'estimated', 'final', 'invoiced'])[{{ rank }}]
{%- endmacro %}

{# The period that lies `step` weeks (of a rule by day or week) or months after a row's. #}
{% macro period_after(periods, step) -%}
    (
        {{ periods }}.period_start
        + {{ step }} * case {{ periods }}.grain when 'month' then interval '1 month' else interval '7 days' end
    )::date
{%- endmacro %}

{# Columns in the order that all breaches have in common; `null_as` fills in what a kind has not. #}
{% macro breach_columns(relation) -%}
    {%- for column in [
        'rule_id', 'scope_key', 'period_key', 'scope', 'period_start', 'period_end', 'usage_date',
        'observed_value', 'threshold_value', 'expected_value', 'unit', 'billing_currency', 'cost_type',
        'data_state', 'evidence'
    ] %}
    {{ relation }}.{{ column }}{{ ',' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# The days of resources that cost a rule's amount or more: day by day, as an index finds those of each. #}
{% macro dear_resources(rules) %}
    select found.*
    from generate_series(
        {{ rules }}.judged_from::timestamp,
        (select max(newest.usage_date) from {{ ref('fct_daily_resource_costs') }} as newest)::timestamp,
        interval '1 day'
    ) as judged (usage_day)
    cross join lateral (
        select * from {{ ref('fct_daily_resource_costs') }} as every
        where
            every.usage_date = judged.usage_day::date
            and every.effective_cost >= {{ rules }}.amount
            and every.billing_currency = {{ rules }}.billing_currency
            and every.resource_id is not null
        offset 0
    ) as found
{% endmacro %}

{# The thresholds that a rule on budgets is about: what no rule asks for is not worked out. #}
{% macro crossed_thresholds(rules) %}
    select * from {{ ref('fct_budget_thresholds') }} as thresholds
    where
        thresholds.crossed
        and thresholds.period_end >= {{ rules }}.judged_from
        and ({{ rules }}.budget_id is null or thresholds.budget_id = {{ rules }}.budget_id)
    offset 0
{% endmacro %}
