{#
    Incremental by difference. A mart remembers, per slice (account, usage day, billing month), the
    delivery that it was built from; a build takes the slices whose delivery differs. A watermark
    of time or sequence would miss a load that commits after a later one.

    Everything happens in the model's own transaction: find the changed slices, delete their days,
    insert them again, remember. A load that commits in between is found by the next build.
#}

{% macro create_slice_registry() %}
    create table if not exists intermediate.built_slices (
        model text not null,
        account_id text not null,
        usage_date date not null,
        billing_period date not null,
        delivery_id bigint not null,
        built_at timestamp with time zone not null default clock_timestamp(),
        primary key (model, account_id, usage_date, billing_period)
    )
{% endmacro %}

{# What a model is built from: the loaded slices, or what another mart was built from. #}
{% macro upstream_slices(upstream) %}
    {%- if upstream == 'raw' -%}
        select account_id, usage_date, billing_period, delivery_id
        from {{ source('raw', 'partitions') }}
        where dataset = 'costs' and delivery_id is not null
    {%- else -%}
        select account_id, usage_date, billing_period, delivery_id
        from intermediate.built_slices
        where model = '{{ upstream }}'
    {%- endif -%}
{% endmacro %}

{% macro changed_slices() -%}
    {{ this.identifier }}__changed
{%- endmacro %}

{# Pre-hook: note the changed slices and delete their days from the mart. #}
{% macro open_increment(upstream) %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    select pg_advisory_xact_lock(hashtextextended('{{ this }}', 0));
    {% if not is_incremental() %}
    delete from intermediate.built_slices where model = '{{ this.identifier }}';
    {% endif %}
    create temporary table {{ changed_slices() }} on commit drop as
    select upstream.*
    from ({{ upstream_slices(upstream) }}) as upstream
    left join intermediate.built_slices as built
        on
            built.model = '{{ this.identifier }}'
            and built.account_id = upstream.account_id
            and built.usage_date = upstream.usage_date
            and built.billing_period = upstream.billing_period
    where built.delivery_id is distinct from upstream.delivery_id;
    analyze {{ changed_slices() }};
    {% if is_incremental() %}
    delete from {{ this }} as mart
    using (select distinct account_id, usage_date from {{ changed_slices() }}) as changed
    where mart.account_id = changed.account_id and mart.usage_date = changed.usage_date;
    {% endif %}
    {%- endif -%}
{% endmacro %}

{# Post-hook: remember what the changed days are built from now. #}
{% macro close_increment() %}
    insert into intermediate.built_slices (model, account_id, usage_date, billing_period, delivery_id)
    select '{{ this.identifier }}', account_id, usage_date, billing_period, delivery_id
    from {{ changed_slices() }}
    on conflict (model, account_id, usage_date, billing_period)
    do update set delivery_id = excluded.delivery_id, built_at = clock_timestamp()
{% endmacro %}

{#
    The rows of a relation to build from: all of them, or those of the changed days. Lateral, so
    that each changed day reaches the partitions' indexes through any views between.
#}
{% macro of_changed_days(relation) %}
    {%- if is_incremental() -%}
    select charges.*
    from (select distinct account_id, usage_date from {{ changed_slices() }}) as changed
    cross join lateral (
        select * from {{ relation }} as every
        where every.account_id = changed.account_id and every.usage_date = changed.usage_date
    ) as charges
    {%- else -%}
    select * from {{ relation }}
    {%- endif -%}
{% endmacro %}

{# The days that the latest build rewrote: what tests of large marts look at, whatever the history. #}
{% macro days_just_built(model) %}
    select distinct account_id, usage_date
    from intermediate.built_slices
    where
        model = '{{ model }}'
        and built_at > (
            select max(built_at) - interval '15 minutes'
            from intermediate.built_slices
            where model = '{{ model }}'
        )
{% endmacro %}

{# Like of_changed_days, for tests. #}
{% macro just_built(model) %}
    select rows.*
    from ({{ days_just_built(model) }}) as days
    cross join lateral (
        select * from {{ ref(model) }} as every
        where every.account_id = days.account_id and every.usage_date = days.usage_date
    ) as rows
{% endmacro %}
