{#
    A relation's comment, none where it has none or does not stand. Read from the cursor: a table of
    agate's, which run_query makes, takes longer than the question.
#}
{% macro comment_of(relation) %}
    {%- set _, answer = adapter.add_query(
        "select obj_description(to_regclass('" ~ relation.include(database=false) ~ "'), 'pg_class')",
        auto_begin=false
    ) -%}
    {{ return(answer.fetchone()[0]) }}
{% endmacro %}
