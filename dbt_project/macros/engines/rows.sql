{#
    Which rows a model is made from. PostgreSQL keeps the marts and changes them by difference
    (slices.sql). Spark keeps nothing: it is asked for slices (macros/engines/line_items.sql), and
    all rows that it sees are of those.
#}
{% macro of_changed_days(relation) %}{{ return(adapter.dispatch('of_changed_days')(relation)) }}{% endmacro %}

{% macro spark__of_changed_days(relation) -%}
    select * from {{ relation }}
{%- endmacro %}

{% macro by_changed_day(query) %}{{ return(adapter.dispatch('by_changed_day')(query)) }}{% endmacro %}

{% macro spark__by_changed_day(query) -%}
    select * from {{ query }}
{%- endmacro %}

{# SQL of tables that only the warehouse keeps: nothing elsewhere. #}
{% macro kept_in_warehouse(sql) %}{{ return(adapter.dispatch('kept_in_warehouse')(sql)) }}{% endmacro %}

{% macro default__kept_in_warehouse(sql) -%}
    {{ sql }}
{%- endmacro %}

{% macro spark__kept_in_warehouse(sql) -%}
{%- endmacro %}

{# What a build that starts from nothing leaves out: days that are held back have no older figures. #}
{% macro unless_held_back(charges) %}{{ return(adapter.dispatch('unless_held_back')(charges)) }}{% endmacro %}

{% macro default__unless_held_back(charges) -%}
{% if not is_incremental() %}
-- a rebuild has no older figures of a day that is held back
where
    not exists (
        select 1 from {{ ref('int_days_blocked') }} as blocked
        where blocked.account_id = {{ charges }}.account_id and blocked.usage_date = {{ charges }}.usage_date
    )
{% endif %}
{%- endmacro %}

{# The tie-out is made over what comes back (warehouse/line_item_sums.py). #}
{% macro spark__unless_held_back(charges) -%}
{%- endmacro %}

{#
    The staging models that are all charges. Spark has those of exported files: only they have line
    items by the million. What an API answers is summed to the day already and stays in PostgreSQL.
#}
{% macro staged_costs() %}{{ return(adapter.dispatch('staged_costs')()) }}{% endmacro %}

{% macro default__staged_costs() %}
    {{ return([
        'stg_aws__costs',
        'stg_aws__costs_cur',
        'stg_aws__costs_focus',
        'stg_azure__costs',
        'stg_azure__costs_export',
        'stg_azure__costs_focus',
        'stg_focus__costs',
        'stg_snowflake__costs',
        'stg_openai__costs',
        'stg_anthropic__costs',
        'stg_snowflake__costs_metering',
    ]) }}
{% endmacro %}

{% macro spark__staged_costs() %}
    {{ return([
        'stg_aws__costs_cur',
        'stg_aws__costs_focus',
        'stg_azure__costs_export',
        'stg_azure__costs_focus',
        'stg_focus__costs',
    ]) }}
{% endmacro %}
