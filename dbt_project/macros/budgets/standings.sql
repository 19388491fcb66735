{#
    Grain: one row per active budget and period: what is booked in it, and how complete that is.

    Each period is answered by itself, from the few rows that indexes find: whoever asks for one pays
    for one, and the planner, which cannot tell how many rows a filter in JSON or a period leaves over,
    has no joins of many rows with many to choose wrongly.
#}
{% macro budget_standings() %}
    select
        periods.*,
        scoped.accounts,
        scoped.data_through,
        scoped.settled_through,
        scoped.missing_days,
        scoped.partial_days,
        scoped.estimated_days,
        scoped.forecast_as_of,
        scoped.forecast_through,
        others.currencies as other_currencies,
        -- nothing spent on days that came is 0, no day that came is unknown
        case when scoped.data_through is not null then coalesce(booked.actual_cost, 0) end as actual_cost,
        case when scoped.settled_through is not null then coalesce(booked.settled_cost, 0) end as settled_cost,
        booked.breach_date
    from budget_periods as periods
    cross join lateral (
        {{ budget_accounts('periods') }}
    ) as scoped
    cross join lateral (
        select
            sum(burns.cost) as actual_cost,
            sum(burns.cost) filter (where burns.usage_date <= scoped.settled_through) as settled_cost,
            -- a credit may bring the sum below the amount again
            case
                when sum(burns.cost) > periods.budget_amount
                    then min(burns.usage_date) filter (where burns.cumulative_cost > periods.budget_amount)
            end as breach_date
        from (
            {{ budget_burns('periods') }}
        ) as burns
    ) as booked
    cross join lateral (
        select count(distinct days.billing_currency)::integer as currencies
        from budget_day_sums as days
        where
            days.budget_id = periods.budget_id
            and days.billing_currency <> periods.billing_currency
            and days.usage_date between periods.period_start and periods.period_end
    ) as others
{% endmacro %}
