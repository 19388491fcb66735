{#
    Before a build: tables of the models to build that have other columns than these were made by
    another version, and hooks and queries that read what stands would ask them for columns that they
    lack. They go, with the views on them, and are made from nothing, as their logic is another, too.
    Not those that cannot be made again.
#}
{% macro drop_outgrown() %}{{ return(adapter.dispatch('drop_outgrown')()) }}{% endmacro %}

{% macro default__drop_outgrown() -%}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    {%- set held = {} -%}
    {%- for row in run_query(
        "select nspname || '.' || relname, string_agg(attname, ',')"
        " from pg_class"
        " inner join pg_namespace on pg_namespace.oid = relnamespace"
        " inner join pg_attribute on attrelid = pg_class.oid"
        " where relkind = 'r' and attnum > 0 and not attisdropped"
        " group by 1"
    ) -%}
        {%- do held.update({row[0]: row[1].split(',') | sort}) -%}
    {%- endfor -%}
    {%- for node in graph.nodes.values()
        if node.unique_id in selected_resources
        and node.config.materialized == 'incremental'
        and node.config.full_refresh is not sameas false
    -%}
    {%- set columns = held.get(node.schema ~ '.' ~ node.alias) -%}
    {%- if columns and columns != node.columns.keys() | sort -%}
    {%- set outgrown = api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.alias, type='table'
    ) -%}
    {%- do adapter.cache_dropped(outgrown) -%}
    {%- do log(outgrown ~ ' has the columns of another version and is made anew', info=true) %}
    drop table {{ outgrown }} cascade;
    {%- endif -%}
    {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{% macro spark__drop_outgrown() -%}
{%- endmacro %}
