{# Months with cost to come of a row of budget_standings, each with what is spent after those before. #}
{% macro budget_projections(standing) %}
    select
        projected.month,
        projected.first_day,
        projected.month_end - projected.first_day + 1 as days,
        projected.cost_to_come,
        projected.cost_after - projected.cost_to_come as cost_before,
        projected.cost_after,
        projected.series,
        projected.lower_to_come,
        projected.upper_to_come
    from (
        select
            months.*,
            {{ standing }}.actual_cost + sum(months.cost_to_come) over (order by months.month) as cost_after,
            -- days that came late fall on the last day of their month
            least(greatest(months.month, {{ standing }}.data_through + 1), months.month_end) as first_day
        from (
            {{ budget_forecasts(standing) }}
        ) as months
        where months.cost_to_come > 0
    ) as projected
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
