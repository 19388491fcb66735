{#
    Pre-hook of dim_resources. An inventory of a new day changes the account's resources from what
    they were; only where an older day changed is the account's whole history read again. So what a
    day costs does not grow with the history.
#}
{% macro open_inventories() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    select pg_advisory_xact_lock(hashtextextended('{{ this }}', 0));
    {% if not is_incremental() %}
    delete from intermediate.built_slices where model = '{{ this.identifier }}';
    {% endif %}
    create temporary table {{ changed_slices() }} on commit drop as
    select account_id, usage_date, billing_period, upstream.delivery_id
    from (
        select account_id, usage_date, billing_period, delivery_id
        from {{ source('raw', 'partitions') }}
        where dataset = 'resources' and delivery_id is not null
    ) as upstream
    full join (
        select * from intermediate.built_slices where model = '{{ this.identifier }}'
    ) as built using (account_id, usage_date, billing_period)
    where
        built.delivery_id is distinct from upstream.delivery_id
        or built.logic is distinct from '{{ logic_of(model.unique_id) }}';
    {% if is_incremental() %}
    -- from_day is null where the account is read from its first day
    create temporary table {{ this.identifier }}__accounts on commit drop as
    select
        changed.account_id,
        case when min(changed.usage_date) > built.last_day then min(changed.usage_date) end as from_day
    from {{ changed_slices() }} as changed
    left join lateral (
        select max(usage_date) as last_day
        from intermediate.built_slices
        where model = '{{ this.identifier }}' and account_id = changed.account_id
    ) as built on true
    group by changed.account_id, built.last_day;
    create temporary table {{ this.identifier }}__known on commit drop as
    select known.*
    from {{ this }} as known
    inner join {{ this.identifier }}__accounts as accounts
        on accounts.account_id = known.account_id and accounts.from_day is not null;
    -- an upgrade may bring columns that the standing table gets only after this
    {%- set standing = adapter.get_columns_in_relation(this) | map(attribute='name') | list %}
    {%- for column in model.columns.values() if column.name not in standing %}
    alter table {{ this.identifier }}__known add column {{ column.name }} {{ column.data_type }};
    {%- endfor %}
    delete from {{ this }} as known
    using {{ this.identifier }}__accounts as accounts
    where known.account_id = accounts.account_id;
    {% endif %}
    {%- endif -%}
{% endmacro %}

{# All resources, or those of the days that open_inventories names, by index as in of_changed_days. #}
{% macro of_changed_inventories(relation) %}
    {%- if is_incremental() -%}
    select found.*
    from {{ this.identifier }}__accounts as accounts
    cross join lateral (
        select * from {{ relation }} as every
        where
            every.account_id = accounts.account_id
            and every.usage_date >= coalesce(accounts.from_day, '-infinity'::date)
        offset 0
    ) as found
    {%- else -%}
    select * from {{ relation }}
    {%- endif -%}
{% endmacro %}
