{#
    Who sees which rows of a mart. Readers say whose session asks by `astraeus.session`; functions in
    schema app (migrations/row_security.sql) resolve it to accounts, teams and budgets, once per
    query: each stands in a subselect of its own, which PostgreSQL evaluates as an InitPlan. Members
    of astraeus_unscoped (dbt, app, commands) see everything.

    A mart says by its columns what it is scoped by. One with none of them is for people who see
    everything, unless its config says `meta: {open_to_all: <why>}`.
#}
{% macro rows_in_scope() -%}
    {%- set columns = model.columns -%}
    {%- set grants = [] -%}
    {%- if 'account_id' in columns -%}
        {%- do grants.append('account_id = any((select app.visible_accounts())::text[])') -%}
    {%- endif -%}
    {%- if 'team' in columns -%}
        {%- do grants.append('team = any((select app.visible_teams())::text[])') -%}
    {%- endif -%}
    {%- if 'budget_id' in columns -%}
        {%- do grants.append('budget_id = any((select app.visible_budgets())::bigint[])') -%}
    {%- endif -%}
    {%- if 'scope' in columns and columns['scope'].data_type == 'jsonb' -%}
        {#- all that a row is about lies within: a sum over more tells of more -#}
        {%- for key, seen in [('account', 'accounts'), ('team', 'teams')] -%}
            {%- do grants.append(
                "scope -> '" ~ key ~ "' <> '[]' and scope -> '" ~ key
                ~ "' <@ (select to_jsonb(app.visible_" ~ seen ~ "()))"
            ) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ (['(select app.sees_everything())'] + grants) | join(' or ') }}
{%- endmacro %}

{% macro is_open_to_all() -%}
    {{ return('open_to_all' in (model.config.meta or {})) }}
{%- endmacro %}

{#
    Post-hook of marts: readers' rights, and for tables the policies. dbt recreates tables, so both are
    given anew; a table that stays is touched only where its policy is not this one, as `alter table`
    waits for everybody who reads.
#}
{% macro secure_mart() -%}
    grant select on {{ this }} to astraeus_reader, astraeus_operator, astraeus_app;
    {%- if model.config.materialized != 'view' and not is_open_to_all() %}
    {%- set policy = 'in_scope_' ~ local_md5(rows_in_scope())[:8] %}
    do $policies$
    declare former name;
    begin
        if exists (
            select from pg_catalog.pg_policy
            where polrelid = '{{ this }}'::regclass and polname = '{{ policy }}'
        ) then
            return;
        end if;
        for former in select polname from pg_catalog.pg_policy where polrelid = '{{ this }}'::regclass loop
            execute format('drop policy %I on {{ this }}', former);
        end loop;
        create policy everything on {{ this }} for select to astraeus_unscoped using (true);
        create policy {{ policy }} on {{ this }} for select using ({{ rows_in_scope() }});
        alter table {{ this }} enable row level security;
    end $policies$
    {%- endif -%}
{%- endmacro %}

{#
    Views read as their owner does, whom no policy binds: the condition is part of the view. It is a
    barrier, or else a condition that fails or tells (a cast, a function) could be asked of rows that
    the reader may not see.
#}
{% macro postgres__create_view_as(relation, sql) -%}
    {%- if model.schema != 'marts' or is_open_to_all() -%}
    {{ default__create_view_as(relation, sql) }}
    {%- else -%}
    {{ get_assert_columns_equivalent(sql) if config.get('contract').enforced }}
    create view {{ relation }} with (security_barrier) as
    select * from (
        {{ sql }}
    ) as unscoped
    where
        (select pg_has_role(current_user, 'astraeus_unscoped', 'usage'))
        or {{ rows_in_scope() }};
    {%- endif -%}
{%- endmacro %}
