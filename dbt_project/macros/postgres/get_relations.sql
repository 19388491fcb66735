{#
    Which views of ours need which relations: for dbt's cache, at the start of each build. Its own query
    walks through the dependencies of the whole database, all partitions of raw among them: 50 ms.
#}
{% macro postgres__get_relations() -%}
    {% call statement('relations', fetch_result=True) %}
    select distinct
        dependent_schema.nspname as dependent_schema,
        dependent.relname as dependent_name,
        referenced_schema.nspname as referenced_schema,
        referenced.relname as referenced_name
    from pg_namespace as dependent_schema
    inner join pg_class as dependent
        on dependent.relnamespace = dependent_schema.oid and dependent.relkind in ('v', 'm')
    inner join pg_rewrite as rule on rule.ev_class = dependent.oid
    inner join pg_depend as need
        on
            need.classid = 'pg_rewrite'::regclass and need.objid = rule.oid
            and need.refclassid = 'pg_class'::regclass and need.refobjid <> dependent.oid
    inner join pg_class as referenced on referenced.oid = need.refobjid
    inner join pg_namespace as referenced_schema on referenced_schema.oid = referenced.relnamespace
    where
        dependent_schema.nspname <> 'information_schema' and dependent_schema.nspname not like 'pg\_%'
        and referenced_schema.nspname <> 'information_schema' and referenced_schema.nspname not like 'pg\_%'
    order by 1, 2, 3, 4
    {% endcall %}
    {{ return(load_result('relations').table) }}
{%- endmacro %}
