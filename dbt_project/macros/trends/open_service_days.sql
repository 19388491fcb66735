{#
    Pre-hook of int_service_days, after open_increment: note the days that the changed ones reach,
    in runs of loaded days, and delete their rows. What a run has to know of the past stands in the
    rows of the loaded day before it, so a day costs the same on any history.
#}
{% macro open_service_days(upstream) %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    create temporary table {{ this.identifier }}__runs on commit drop as
    {%- if is_incremental() %}
    with changed as (
        select account_id, min(usage_date) as first_day, max(usage_date) as last_day
        from {{ changed_slices() }}
        group by 1
    ),
    loaded as (
        select
            days.account_id,
            days.usage_date,
            lag(days.usage_date) over by_account as day_before,
            exists (
                select 1 from {{ changed_slices() }} as one
                where
                    one.account_id = days.account_id
                    and days.usage_date between one.usage_date and one.usage_date + {{ days_remembered() }}
            ) as is_reached
        from changed
        inner join (
            select distinct account_id, usage_date from intermediate.built_slices
            where model = '{{ upstream }}'
        ) as days
            on
                days.account_id = changed.account_id
                and days.usage_date <= changed.last_day + {{ days_remembered() }}
        window by_account as (partition by days.account_id order by days.usage_date)
    ),
    bounded as (
        select
            loaded.*,
            count(*) filter (where not loaded.is_reached) over (
                partition by loaded.account_id order by loaded.usage_date
            ) as run
        from loaded
    )
    select
        account_id,
        usage_date,
        run::integer as run,
        first_value(day_before) over (partition by account_id, run order by usage_date) as day_before
    from bounded
    where is_reached
    {%- else %}
    select distinct account_id, usage_date, 0 as run, null::date as day_before
    from intermediate.built_slices
    where model = '{{ upstream }}'
    {%- endif %};
    analyze {{ this.identifier }}__runs;

    {% if is_incremental() %}
    delete from {{ this }} as mart
    using (select distinct account_id, usage_date from {{ changed_slices() }}) as changed
    where
        mart.account_id = changed.account_id
        and mart.usage_date between changed.usage_date and changed.usage_date + {{ days_remembered() }}
    {% endif %}
    {%- endif -%}
{% endmacro %}

{#
    For how many days a service is followed after its last charge: 31, and the six that a week may
    have begun before.
#}
{% macro days_remembered() %}37{% endmacro %}
