{#
    The union of staging models by the names of their columns. A column that a model's yml does not
    describe is null there: what a provider cannot tell needs no line in its staging.
#}
{% macro union_of(relations, columns) -%}
    {%- for relation in relations %}
    {%- set node = graph.nodes.get('model.astraeus.' ~ relation.identifier) if execute %}
    {%- set described = node.columns if node else {} %}
    select
        {%- for name, type in columns.items() %}
        {% if name in described %}{{ relation.identifier }}.{{ name }}{% else %}null::{{ type }} as {{ name }}{% endif -%}
        {{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }} as {{ relation.identifier }}
    {{ 'union all' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
