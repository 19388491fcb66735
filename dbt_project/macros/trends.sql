{#
    Trends look back: a changed day changes the means of the four weeks after it, its week and month,
    and the periods that are compared with it a month or a year later. So an increment of
    fct_cost_trends takes periods of accounts, not days.
#}

{# Pre-hook, after open_increment: note the periods that the changed days reach, delete their rows. #}
{% macro open_periods(upstream) %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    create temporary table {{ this.identifier }}__days on commit drop as
    select distinct account_id, usage_date
    from intermediate.built_slices
    where model = '{{ upstream }}';
    analyze {{ this.identifier }}__days;

    create temporary table {{ this.identifier }}__periods on commit drop as
    with reached as (
        {%- if is_incremental() %}
        select distinct changed.account_id, periods.grain, periods.period_start
        from (select distinct account_id, usage_date from {{ changed_slices() }}) as changed
        cross join lateral (
            select 'day' as grain, changed.usage_date + days as period_start
            from generate_series(0, 31) as days
            union all
            select 'day', (changed.usage_date + interval '1 year')::date
            union all
            select 'week', date_trunc('week', changed.usage_date + days)::date
            from unnest(array[0, 7, 14, 21, 28, 35, 42, 364]) as days
            union all
            select 'month', (date_trunc('month', changed.usage_date) + months * interval '1 month')::date
            from unnest(array[0, 1, 12]) as months
        ) as periods
        {%- else %}
        select distinct days.account_id, grains.grain, date_trunc(grains.grain, days.usage_date)::date as period_start
        from {{ this.identifier }}__days as days
        cross join (values ('day'), ('week'), ('month')) as grains (grain)
        {%- endif %}
    )
    select
        reached.*,
        (reached.period_start + ('1 ' || reached.grain)::interval)::date - 1 as period_end,
        -- what was charged since then is nothing new
        case
            when reached.grain = 'month' then (reached.period_start - interval '1 month')::date
            else reached.period_start - 31
        end as looks_back_to
    from reached;
    analyze {{ this.identifier }}__periods;

    {% if is_incremental() %}
    delete from {{ this }} as mart
    using {{ this.identifier }}__periods as periods
    where
        mart.account_id = periods.account_id and mart.grain = periods.grain
        and mart.period_start = periods.period_start;
    {% endif %}
    -- of what the model joins nothing is known in advance: planned as a few rows, one loop inside
    -- another took minutes for a new day of five accounts; until the end of this transaction
    set local enable_nestloop = off;
    {%- endif -%}
{% endmacro %}

{# The days that the noted periods are made of, look back to and are compared with. #}
{% macro days_of_periods() %}
    select distinct days.account_id, days.usage_date
    from {{ this.identifier }}__periods as periods
    inner join {{ this.identifier }}__days as days
        on
            days.account_id = periods.account_id
            and (
                days.usage_date between periods.looks_back_to and periods.period_end
                or days.usage_date
                between (periods.period_start - interval '1 year')::date
                and (periods.period_start - interval '1 year' + ('1 ' || periods.grain)::interval)::date - 1
                or days.usage_date between periods.period_start - 364 and periods.period_end - 364
            )
{% endmacro %}
