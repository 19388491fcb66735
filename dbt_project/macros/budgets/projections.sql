{# Grain: one row per active budget, period and month of it with cost to come #}
{% macro budget_projections() %}
    with

    standings as (
        select * from budget_standings
    ),

    months as (
        select
            to_come.budget_id,
            to_come.month,
            (to_come.month + interval '1 month')::date - 1 as month_end,
            sum(to_come.cost_to_come) as cost_to_come,
            count(*) as accounts,
            sum(to_come.series) as series,
            sum(to_come.lower_to_come) as lower_to_come,
            sum(to_come.upper_to_come) as upper_to_come
        from budget_forecasts as to_come
        left join {{ source('app', 'accounts') }} as accounts on accounts.slug = to_come.account_id
        -- of an account that is paused or removed nothing more is expected
        where coalesce(accounts.state, 'active') = 'active'
        group by to_come.budget_id, to_come.month
    ),

    projected as (
        select
            standings.budget_id,
            standings.period_start,
            months.month,
            months.cost_to_come,
            standings.actual_cost + sum(months.cost_to_come) over running as cost_after,
            months.series,
            months.lower_to_come,
            months.upper_to_come,
            -- days that came late fall on the last day of their month
            least(greatest(months.month, standings.data_through + 1), months.month_end) as first_day,
            months.month_end
        from standings
        inner join months
            on
                months.budget_id = standings.budget_id
                and months.month >= standings.period_start
                and months.month_end <= standings.forecast_through
        where months.cost_to_come > 0 and standings.actual_cost is not null
        window running as (partition by standings.budget_id, standings.period_start order by months.month)
    )

    select
        projected.budget_id,
        projected.period_start,
        projected.month,
        projected.first_day,
        projected.month_end - projected.first_day + 1 as days,
        projected.cost_to_come,
        projected.cost_after - projected.cost_to_come as cost_before,
        projected.cost_after,
        projected.series::bigint as series,
        projected.lower_to_come,
        projected.upper_to_come
    from projected
{% endmacro %}

{#
    The day on which a projection reaches an amount, within the month in which it does: what is
    still to come is spread evenly over the days that are left. Null outside of that month.
#}
{% macro projected_day(projection, amount) -%}
    case
        when {{ amount }} > {{ projection }}.cost_before and {{ amount }} <= {{ projection }}.cost_after
            then {{ projection }}.first_day + least(
                ceil(
                    ({{ amount }} - {{ projection }}.cost_before) * {{ projection }}.days
                    / {{ projection }}.cost_to_come
                )::integer,
                {{ projection }}.days
            ) - 1
    end
{%- endmacro %}
