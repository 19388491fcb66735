{#
    Models that PostgreSQL changes by difference, on Spark: line items stay where they are (a view),
    what is summed from them is written below the order as Parquet, from where it goes back to
    PostgreSQL; with the variable write_line_items they are, too, to be compared. Hooks are left out: they say how rows are kept, and Spark keeps none.
#}
{% materialization incremental, adapter='spark' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}
    {%- set kind = (config.get('meta') or {}).get('on_spark', 'table') -%}
    {%- if var('write_line_items', false) -%}
        {%- set kind = 'table' -%}
    {%- endif -%}
    {%- call statement('main') -%}
    {%- if kind == 'view' -%}
    create view {{ this }} as
    {{ sql }}
    {%- else -%}
    create table {{ this }} using parquet location '{{ order_folder() }}/{{ this.identifier }}' as
    {{ sql }}
    {%- endif -%}
    {%- endcall -%}
    {{ return({'relations': [this.incorporate(type=kind)]}) }}
{% endmaterialization %}
