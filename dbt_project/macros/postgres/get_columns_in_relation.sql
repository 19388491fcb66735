{#
    dbt asks for the columns of both sides of each increment, and information_schema looks up the
    rights on each of them: 3 to 5 ms, where the catalogue answers in less than one.
#}
{% macro postgres__get_columns_in_relation(relation) -%}
    {% call statement('get_columns_in_relation', fetch_result=True) %}
    select
        attname as column_name,
        format_type(atttypid, null) as data_type,
        information_schema._pg_char_max_length(atttypid, atttypmod)::integer as character_maximum_length,
        information_schema._pg_numeric_precision(atttypid, atttypmod)::integer as numeric_precision,
        information_schema._pg_numeric_scale(atttypid, atttypmod)::integer as numeric_scale
    from pg_attribute
    where
        attrelid = to_regclass('{{ relation.include(database=false) }}')
        and attnum > 0 and not attisdropped
    order by attnum
    {% endcall %}
    {{ return(sql_convert_columns_in_relation(load_result('get_columns_in_relation').table)) }}
{%- endmacro %}
