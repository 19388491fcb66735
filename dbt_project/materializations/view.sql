{#
    A view whose SQL is the one it was created with is left alone: creating, renaming and dropping the
    forty of them took a quarter of a build without changes, and locked out whoever read them. What
    it was created with, and who sees which rows of it, is its comment, a hash. Where a relation below
    it is replaced it falls with that (`cascade`), and is created again.
#}
{% materialization view, adapter='postgres' %}
    {%- set hash = local_md5(sql ~ rows_in_scope()) -%}
    {%- if comment_of(this) == hash and not should_full_refresh() -%}
    {%- call noop_statement('main', 'VIEW KEPT') -%}{%- endcall -%}
    {{ return({'relations': [this.incorporate(type='view')]}) }}
    {%- else -%}
    {%- set made = dbt.materialization_view_default() -%}
    {#- in a transaction of its own: without its comment the view is only created once more -#}
    {%- do run_query("comment on view " ~ this ~ " is '" ~ hash ~ "'") -%}
    {{ return(made) }}
    {%- endif -%}
{% endmaterialization %}
