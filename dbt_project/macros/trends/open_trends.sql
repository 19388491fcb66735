{#
    Trends look back: a changed day changes the means of the four weeks after it, its week and month,
    and the periods that are compared with it a month or a year later. So an increment of
    fct_cost_trends takes periods of accounts, not days. What is known of an account's days and
    periods is small and the same for all of its services: it is worked out here, once.

    Pre-hook, after open_increment: temporary tables of
    - days: the loaded days, what comes before them, and which periods compare themselves with them;
    - periods: the ones that the changed days reach, and whether they can be compared.
    Their rows are deleted from the mart.
#}
{% macro open_trends(upstream) %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    create temporary table {{ this.identifier }}__days on commit drop as
    {{ loaded_days(upstream) }};
    analyze {{ this.identifier }}__days;

    create temporary table {{ this.identifier }}__periods on commit drop as
    {{ reached_periods(this.identifier ~ '__days') }};
    analyze {{ this.identifier }}__periods;

    {% if is_incremental() %}
    delete from {{ this }} as mart
    using (
        {{ reached_starts() }}
    ) as reached
    where
        mart.account_id = reached.account_id and mart.grain = reached.grain
        and mart.period_start = reached.period_start
    {% endif %}
    {%- endif -%}
{% endmacro %}

{# The loaded days of the changed accounts, as far as changed days may reach or be reached from. #}
{% macro loaded_days(upstream) %}
    with
    {% if is_incremental() %}
    changed as (
        select account_id, min(usage_date) as first_day, max(usage_date) as last_day
        from {{ changed_slices() }}
        group by 1
    ),
    {% endif %}
    loaded as (
        select distinct
            built.account_id,
            built.usage_date,
            date_trunc('month', built.usage_date)::date as month,
            (date_trunc('month', built.usage_date) + interval '1 month')::date as month_after
        from intermediate.built_slices as built
        {% if is_incremental() %}
        inner join changed
            on
                changed.account_id = built.account_id
                and built.usage_date between changed.first_day - 430 and changed.last_day + 430
        {% endif %}
        where built.model = '{{ upstream }}'
    ),
    months as (
        select
            account_id,
            month,
            max(usage_date) as last_day,
            count(*) = max(month_after) - month as is_whole
        from loaded
        group by 1, 2
    ),
    counted as (
        select
            loaded.*,
            count(*) over (days range between interval '6 days' preceding and current row) as days_of_7,
            count(*) over (days range between interval '27 days' preceding and current row) as days_of_28,
            row_number() over (
                partition by loaded.account_id, loaded.month order by loaded.usage_date
            ) as days_of_month,
            -- the last one before the 7, or 28, days, to which their month had come until then
            last_value(loaded.usage_date) over (
                days range between interval '37 days' preceding and interval '7 days' preceding
            ) as before_7,
            last_value(loaded.usage_date) over (
                days range between interval '58 days' preceding and interval '28 days' preceding
            ) as before_28
        from loaded
        window days as (partition by loaded.account_id order by loaded.usage_date)
    )
    select
        counted.account_id,
        counted.usage_date,
        counted.month,
        date_trunc('week', counted.usage_date)::date as week,
        counted.days_of_7::integer,
        counted.days_of_28::integer,
        counted.days_of_month::integer,
        case when counted.before_7 >= date_trunc('month', counted.usage_date - 7) then counted.before_7 end
            as before_7,
        case when counted.before_28 >= date_trunc('month', counted.usage_date - 28) then counted.before_28 end
            as before_28,
        last_month.last_day as last_month_end,

        -- the days of the same number, if the other month has them
        {{ same_day('counted.usage_date', '- interval \'1 month\'') }} as a_month_before,
        {{ same_day('counted.usage_date', '- interval \'1 year\'') }} as a_year_before,
        month_before.usage_date is not null as has_month_before,
        year_before.usage_date is not null as has_year_before,
        weeks_before.usage_date is not null as has_4_weeks_before,
        weeks_year_before.usage_date is not null as has_52_weeks_before,

        -- what is compared with it: a whole month with the whole month, else with the same days
        weeks_after.usage_date is not null as is_compared_4_weeks_after,
        weeks_year_after.usage_date is not null as is_compared_52_weeks_after,
        coalesce(next_month.is_whole, false) or month_after.usage_date is not null
            as is_compared_a_month_after,
        coalesce(next_year.is_whole, false) or year_after.usage_date is not null
            as is_compared_a_year_after
    from counted
    left join months as last_month
        on
            last_month.account_id = counted.account_id
            and last_month.month = (counted.month - interval '1 month')::date
    left join months as next_month
        on next_month.account_id = counted.account_id and next_month.month = counted.month_after
    left join months as next_year
        on
            next_year.account_id = counted.account_id
            and next_year.month = (counted.month + interval '1 year')::date
    {%- for name, moved in [
        ('month_before', same_day('counted.usage_date', '- interval \'1 month\'')),
        ('year_before', same_day('counted.usage_date', '- interval \'1 year\'')),
        ('month_after', same_day('counted.usage_date', '+ interval \'1 month\'')),
        ('year_after', same_day('counted.usage_date', '+ interval \'1 year\'')),
        ('weeks_before', 'counted.usage_date - 28'),
        ('weeks_after', 'counted.usage_date + 28'),
        ('weeks_year_before', 'counted.usage_date - 364'),
        ('weeks_year_after', 'counted.usage_date + 364'),
    ] %}
    left join loaded as {{ name }}
        on {{ name }}.account_id = counted.account_id and {{ name }}.usage_date = {{ moved }}
    {%- endfor %}
{% endmacro %}

{# A day some months away, null where that month has no day of this number. #}
{% macro same_day(day, moved) -%}
    case
        when extract(day from {{ day }} {{ moved }}) = extract(day from {{ day }}) then ({{ day }} {{ moved }})::date
    end
{%- endmacro %}

{# The periods whose rows the changed days reach, loaded or not. #}
{% macro reached_starts() %}
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
{% endmacro %}

{# Of them, or of all, those with a loaded day; with a compared day missing they cannot be compared. #}
{% macro reached_periods(days) %}
    with every_period as (
        select
            days.account_id,
            'day' as grain,
            days.usage_date as period_start,
            1 as loaded_days,
            days.usage_date as loaded_through,
            days.has_month_before as has_last_month,
            days.has_year_before as has_last_year
        from {{ days }} as days
        union all
        select
            days.account_id,
            'week',
            days.week,
            count(*)::integer,
            max(days.usage_date),
            bool_and(days.has_4_weeks_before),
            bool_and(days.has_52_weeks_before)
        from {{ days }} as days
        group by 1, 3
        union all
        select
            days.account_id,
            'month',
            days.month,
            count(*)::integer,
            max(days.usage_date),
            bool_and(days.has_month_before) filter (where days.a_month_before is not null),
            bool_and(days.has_year_before) filter (where days.a_year_before is not null)
        from {{ days }} as days
        group by 1, 3
    ),
    known as (
        select
            every_period.*,
            (every_period.period_start + ('1 ' || every_period.grain)::interval)::date - 1 as period_end
        from every_period
        {%- if is_incremental() %}
        inner join (
            {{ reached_starts() }}
        ) as reached
            on
                reached.account_id = every_period.account_id
                and reached.grain = every_period.grain
                and reached.period_start = every_period.period_start
        {%- endif %}
    )
    select
        known.account_id,
        known.grain,
        known.period_start,
        known.period_end,
        known.loaded_days,
        known.loaded_through,
        known.loaded_days = known.period_end - known.period_start + 1 as is_whole,
        -- a whole month is compared with a whole month
        coalesce(
            case
                when known.grain = 'month' and known.loaded_days = known.period_end - known.period_start + 1
                    then last_month.is_whole
                else known.has_last_month
            end,
            false
        ) as has_last_month,
        coalesce(
            case
                when known.grain = 'month' and known.loaded_days = known.period_end - known.period_start + 1
                    then last_year.is_whole
                else known.has_last_year
            end,
            false
        ) as has_last_year
    from known
    {%- for name, span in [('last_month', '1 month'), ('last_year', '1 year')] %}
    left join (
        select account_id, period_start, loaded_days = extract(
            day from period_start + interval '1 month - 1 day'
        ) as is_whole
        from every_period
        where grain = 'month'
    ) as {{ name }}
        on
            {{ name }}.account_id = known.account_id
            and {{ name }}.period_start = (known.period_start - interval '{{ span }}')::date
    {%- endfor %}
{% endmacro %}
