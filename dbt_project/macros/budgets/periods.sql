{# Grain: one row per active budget and period that has begun #}
{% macro budget_periods() %}
    with

    budgets as (
        select * from {{ source('app', 'budgets') }}
        where is_active
    ),

    amounts as (
        select * from {{ source('app', 'budget_amounts') }}
    ),

    spans as (
        select
            budgets.*,
            case budgets.period
                when 'month' then interval '1 month'
                when 'quarter' then interval '3 months'
                else interval '1 year'
            end as length
        from budgets
    ),

    periods as (
        select
            spans.*,
            begun::date as period_start,
            (begun + spans.length)::date - 1 as period_end,
            begun + spans.length > least(spans.ends_on, '{{ var("today") }}'::date)::timestamp as is_latest
        from spans
        cross join
            generate_series(
                spans.starts_on::timestamp,
                least(spans.ends_on, '{{ var("today") }}'::date)::timestamp,
                spans.length
            ) as begun
    )

    select
        periods.id as budget_id,
        periods.name,
        periods.owner,
        periods.period,
        periods.period_start,
        periods.period_end,
        periods.billing_currency,
        periods.cost_type,
        periods.filters,
        periods.is_latest,
        standing.amount as budget_amount
    from periods
    cross join lateral (
        -- of the amounts that count from this period on or from an earlier one, the last that was set
        select amounts.amount
        from amounts
        where amounts.budget_id = periods.id and amounts.valid_from <= periods.period_start
        order by amounts.valid_from desc, amounts.id desc
        limit 1
    ) as standing
{% endmacro %}
