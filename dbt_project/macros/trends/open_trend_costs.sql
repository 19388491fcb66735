{#
    Pre-hook, after open_trends: what an increment reads, in temporary tables with statistics, as
    nobody can plan joins of what a CTE will hold. A rebuild reads the models themselves.
#}
{% macro open_trend_costs() %}
    {%- if execute and is_incremental() and flags.WHICH in ('run', 'build') -%}
    -- how many rows and series is all a plan has to know: a tenth of the sample, of the keys alone
    set local default_statistics_target = 10;
    create temporary table {{ this.identifier }}__service_days on commit drop as
    {{ rows_of_days(ref('int_service_days'), '(' ~ days_looked_up() ~ ')') }};
    analyze {{ this.identifier }}__service_days (series_key, account_id, usage_date);

    create temporary table {{ this.identifier }}__days_summed on commit drop as
    {{ days_of_sums() }};
    analyze {{ this.identifier }}__days_summed;

    create temporary table {{ this.identifier }}__unit_costs on commit drop as
    {{ rows_of_days(ref('int_daily_unit_costs'), this.identifier ~ '__days_summed') }};
    analyze {{ this.identifier }}__unit_costs (series_key, account_id, usage_date, pricing_unit, unit_rank);
    set local default_statistics_target to default
    {%- endif -%}
{% endmacro %}

{# Days that the rows of reached days stand on, and the days of reached weeks. #}
{% macro days_looked_up() %}
    select distinct days.account_id, looked_up.usage_date
    from {{ this.identifier }}__days as days
    inner join {{ this.identifier }}__periods as periods
        on
            periods.account_id = days.account_id
            and periods.grain = 'day'
            and periods.period_start = days.usage_date
    cross join lateral unnest(
        array[
            days.usage_date, days.before_7, days.before_28, days.last_month_end, days.a_month_before,
            days.a_year_before
        ]
    ) as looked_up (usage_date)
    where looked_up.usage_date is not null
    union
    select days.account_id, days.usage_date
    from {{ this.identifier }}__days as days
    inner join {{ this.identifier }}__periods as periods
        on
            periods.account_id = days.account_id
            and periods.grain = 'week'
            and periods.period_start = days.week
{% endmacro %}

{#
    Days whose units count: for the reached weeks and months, own or compared with them, and for the
    days that compare themselves with them.
#}
{% macro days_of_sums() %}
    select needed.*
    from (
        select
            days.*,
            {%- for grain, starts in [
                ('day', [
                    same_day('days.usage_date', '+ interval \'1 month\''),
                    same_day('days.usage_date', '+ interval \'1 year\''),
                ]),
                ('week', ['days.week', 'days.week + 28', 'days.week + 364']),
                ('month', [
                    'days.month',
                    '(days.month + interval \'1 month\')::date',
                    '(days.month + interval \'1 year\')::date',
                ]),
            ] %}
            exists (
                select 1 from {{ this.identifier }}__periods as periods
                where
                    periods.account_id = days.account_id
                    and periods.grain = '{{ grain }}'
                    and periods.period_start in ({{ starts | join(', ') }})
            ) as is_of_{{ grain }}{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ this.identifier }}__days as days
    ) as needed
    where needed.is_of_day or needed.is_of_week or needed.is_of_month
{% endmacro %}
