{#
    What a generic test with `where: just_built` looks at: the rows of the days that the model's latest
    build wrote, by their index. A day's tests cost the same whatever the history; rows of other days
    were tested when they were written. Other conditions are dbt's own.
#}
{% macro get_where_subquery(relation) -%}
    {%- if config.get('where') == 'just_built' -%}
        {{ return('(' ~ rows_of_days(relation, '(' ~ days_just_built(relation.identifier) ~ ')') ~ ') dbt_subquery') }}
    {%- endif -%}
    {{ return(adapter.dispatch('get_where_subquery', 'dbt')(relation)) }}
{%- endmacro %}
