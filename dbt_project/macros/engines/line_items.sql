{#
    Line items of the landing store as Spark's sources. An order (`astraeus line-items order`) says
    which slices are wanted, and in which delivery each stands: the rows of other deliveries that lie
    beside them are never seen. ASTRAEUS_LINE_ITEMS is the landing store as Spark reaches it,
    ASTRAEUS_LINE_ITEMS_ORDER the order's folder below it.
#}
{% macro open_line_items() %}{{ return(adapter.dispatch('open_line_items')()) }}{% endmacro %}

{% macro default__open_line_items() -%}
{%- endmacro %}

{% macro spark__open_line_items() -%}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    {%- do run_query('create schema if not exists raw') -%}
    {%- for name in ['slices', 'deliveries'] -%}
        {%- do run_query(
            'create or replace view raw.' ~ name ~ ' as select * from parquet.`' ~ order_folder() ~ '/' ~ name
            ~ '.parquet`'
        ) -%}
    {%- endfor -%}
    {%- for model in staged_costs() -%}
        {%- set table = model[4:].replace('__', '_') -%}
        {%- do open_line_items_of(graph.sources['source.astraeus.raw.' ~ table]) -%}
    {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{% macro landing_store() -%}
    {{ env_var('ASTRAEUS_LINE_ITEMS').rstrip('/') }}
{%- endmacro %}

{% macro order_folder() -%}
    {{ landing_store() }}/{{ env_var('ASTRAEUS_LINE_ITEMS_ORDER') }}
{%- endmacro %}

{# One file per delivery: a partition each, of those that the order names. #}
{% macro open_line_items_of(source) %}
    {%- set files = 'raw.' ~ source.name ~ '__files' -%}
    {%- set types = [] -%}
    {%- for column in source.columns.values() -%}
        {%- do types.append('`' ~ column.name ~ '` ' ~ spark_type(column.data_type)) -%}
    {%- endfor -%}
    {%- do run_query('drop table if exists ' ~ files) -%}
    {%- do run_query(
        'create table ' ~ files ~ ' (' ~ types | join(', ') ~ ') using parquet partitioned by (delivery_id)'
        ~ " location '" ~ landing_store() ~ '/line-items/' ~ source.name ~ "'"
    ) -%}
    {%- set ordered = run_query(
        "select distinct delivery_id, file from raw.slices where file is not null and raw_table = '" ~ source.name
        ~ "'"
    ) -%}
    {%- for some in ordered.rows | batch(500) -%}
        {%- set partitions = [] -%}
        {%- for row in some -%}
            {%- set folder = landing_store() ~ '/' ~ row[1].rpartition('/')[0] -%}
            {%- do partitions.append('partition (delivery_id = ' ~ row[0] ~ ") location '" ~ folder ~ "'") -%}
        {%- endfor -%}
        {%- do run_query('alter table ' ~ files ~ ' add ' ~ partitions | join(' ')) -%}
    {%- endfor -%}
    {%- do run_query(
        'create or replace view raw.' ~ source.name ~ ' as select files.* from ' ~ files ~ ' as files'
        ~ ' left semi join raw.slices as slices on slices.raw_table = ' ~ "'" ~ source.name ~ "'"
        ~ ' and slices.account_id = files.account_id and slices.delivery_id = files.delivery_id'
        ~ ' and slices.usage_date = files.usage_date and slices.billing_period = files.billing_period'
    ) -%}
{% endmacro %}
