{#
    An increment of a model that is made as its table was. dbt asks for the columns of the query, of
    the contract, of a temporary view and of the table each time, to see whether they differ, and that
    is most of what a small increment costs. They cannot differ while the logic (`logic_of`, down to
    the seeds) and the contract are the ones that the table was made or last extended with: its
    comment is their hash. Then the hooks and one insert are left; else it is dbt's own way.
#}
{% materialization incremental, adapter='postgres' %}
    {%- set made_of = local_md5(logic_of(model.unique_id) ~ model.contract.checksum) -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if
        existing is none or not existing.is_table or should_full_refresh() or comment_of(this) != made_of
    -%}
    {%- set made = dbt.materialization_incremental_default() -%}
    {%- do create_missing_indexes(this) -%}
    {#- in a transaction of its own: without its comment the table is only compared once more -#}
    {%- do run_query("comment on table " ~ this ~ " is '" ~ made_of ~ "'") -%}
    {{ return(made) }}
    {%- endif -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {#- each column is described, which the tests hold against what a build makes -#}
    {%- set columns = get_quoted_csv(model.columns.keys() | list) -%}
    {%- call statement('main') -%}
    insert into {{ this }} ({{ columns }})
    select {{ columns }} from (
        {{ sql }}
    ) as increment
    {%- endcall -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [this.incorporate(type='table')]}) }}
{% endmaterialization %}

{# dbt creates the indexes of a new table only: a table that stays gets here what its model asks for since. #}
{% macro create_missing_indexes(relation) %}
    {%- set held = run_query(
        "select string_agg(columns.attname, ',' order by keys.place)"
        " from pg_index as held"
        " cross join lateral unnest(held.indkey::smallint[]) with ordinality as keys (attnum, place)"
        " inner join pg_attribute as columns"
        " on columns.attrelid = held.indrelid and columns.attnum = keys.attnum"
        " where held.indrelid = '" ~ relation ~ "'::regclass and held.indpred is null"
        " group by held.indexrelid"
    ).columns[0].values() | list -%}
    {%- for index in config.get('indexes', []) if index.columns | join(',') not in held -%}
        {%- do run_query(get_create_index_sql(relation, index)) -%}
    {%- endfor -%}
{% endmacro %}
