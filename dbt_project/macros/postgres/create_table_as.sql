{#
    dbt copies an increment to a temporary table before it inserts it. Our marts append it as it
    is, so a temporary view serves and the rows are written once. (Unit tests use the same macro,
    for models without a contract.)
#}
{% macro postgres__create_table_as(temporary, relation, sql) -%}
    {%- set contract = config.get('contract') -%}
    {%- if temporary and contract and contract.enforced -%}
    {{ get_assert_columns_equivalent(sql) }}
    create temporary view {{ relation }} as (
        {{ sql }}
    );
    {%- else -%}
    {{ dbt.postgres__create_table_as(temporary, relation, sql) }}
    {%- endif -%}
{%- endmacro %}
