{{ config(materialized='view') }}

-- grain: one row per active budget, period and UTC day from its first to the last that was delivered
-- depends_on: {{ ref('fct_forecasts') }}
-- depends_on: {{ ref('int_budget_days') }}
-- depends_on: {{ ref('int_budget_allocated_days') }}
with

{{ budget_steps() }},

days as (
    select
        standings.budget_id,
        standings.period_start,
        standings.billing_currency,
        standings.budget_amount,
        standings.settled_through,
        day::date as usage_date,
        (day::date - standings.period_start + 1)::numeric
        / (standings.period_end - standings.period_start + 1) as elapsed
    from budget_standings as standings
    cross join
        generate_series(
            standings.period_start::timestamp, standings.data_through::timestamp, interval '1 day'
        ) as day
)

select
    days.budget_id,
    days.period_start,
    days.usage_date,
    days.billing_currency,
    days.budget_amount,
    coalesce(burns.cost, 0) as cost,
    sum(coalesce(burns.cost, 0)) over (
        partition by days.budget_id, days.period_start
        order by days.usage_date
    ) as cumulative_cost,
    round(days.budget_amount * days.elapsed, 6) as even_cost,
    coalesce(days.usage_date <= days.settled_through, false) as is_settled
from days
left join budget_day_sums as burns
    on
        burns.budget_id = days.budget_id
        and burns.billing_currency = days.billing_currency
        and burns.usage_date = days.usage_date
