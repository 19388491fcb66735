{{ config(materialized='view') }}

-- grain: one row per active budget and period that has begun
-- depends_on: {{ ref('fct_forecasts') }}
-- depends_on: {{ ref('int_budget_days') }}
-- depends_on: {{ ref('int_budget_allocated_days') }}
with

{{ budget_steps() }},

measured as (
    select
        standings.*,
        round(standings.actual_cost / standings.budget_amount, 6) as actual_share,
        round(
            (standings.settled_through - standings.period_start + 1)::numeric
            / (standings.period_end - standings.period_start + 1),
            6
        ) as expected_share,
        case
            when standings.forecast_through is not null
                then standings.actual_cost + coalesce(forecasts.cost_to_come, 0)
        end as forecast_known_cost,
        standings.forecast_through = standings.period_end as is_forecast_whole,
        coalesce(forecasts.cost_to_come, 0) as cost_to_come,
        case
            when forecasts.months = 0 then standings.actual_cost
            else standings.actual_cost + forecasts.lower_to_come
        end as lower_cost,
        case
            when forecasts.months = 0 then standings.actual_cost
            else standings.actual_cost + forecasts.upper_to_come
        end as upper_cost,
        forecasts.breach_date as forecast_breach_date
    from budget_standings as standings
    cross join lateral (
        select
            count(*) as months,
            sum(projections.cost_to_come) as cost_to_come,
            -- bounds of more than one series or month do not add up
            case when sum(projections.series) = 1 then sum(projections.lower_to_come) end as lower_to_come,
            case when sum(projections.series) = 1 then sum(projections.upper_to_come) end as upper_to_come,
            min({{ projected_day('projections', 'standings.budget_amount') }}) as breach_date
        from (
            {{ budget_projections('standings') }}
        ) as projections
    ) as forecasts
),

paced as (
    select
        measured.*,
        measured.settled_cost / (measured.budget_amount * measured.expected_share) as pace
    from measured
)

select
    paced.budget_id,
    paced.name,
    paced.owner,
    paced.period,
    paced.period_start,
    paced.period_end,
    paced.billing_currency,
    paced.cost_type,
    paced.filters,
    paced.budget_amount,
    paced.is_latest,

    -- what is known
    paced.data_through,
    paced.settled_through,
    paced.accounts,
    paced.missing_days,
    paced.partial_days,
    paced.estimated_days,
    paced.other_currencies,

    -- what has been spent
    paced.actual_cost,
    paced.actual_share,
    paced.budget_amount - paced.actual_cost as remaining_cost,
    paced.period_end - paced.data_through as days_left,
    paced.breach_date,

    -- against an even pace over the calendar
    paced.settled_cost,
    paced.expected_share,
    round(paced.pace, 6) as pace,
    case
        when paced.pace > 1.05 then 'above'
        when paced.pace < 0.95 then 'below'
        when paced.pace is not null then 'even'
    end as pace_state,

    -- what will have been spent
    paced.forecast_as_of,
    paced.forecast_through,
    paced.forecast_known_cost,
    case when paced.is_forecast_whole then paced.forecast_known_cost end as forecast_cost,
    case when paced.is_forecast_whole then paced.lower_cost end as lower_cost,
    case when paced.is_forecast_whole then paced.upper_cost end as upper_cost,
    case
        when paced.is_forecast_whole then round(paced.forecast_known_cost / paced.budget_amount, 6)
    end as forecast_share,
    case when paced.breach_date is null then paced.forecast_breach_date end as forecast_breach_date,

    case
        when paced.data_through is null then 'no_data'
        when paced.actual_cost > paced.budget_amount then 'over'
        when paced.forecast_known_cost > paced.budget_amount then 'forecast_over'
        when
            paced.is_forecast_whole and paced.cost_to_come > 0
            and coalesce(paced.upper_cost, paced.forecast_known_cost / 0.95) > paced.budget_amount
            then 'at_risk'
        when
            not coalesce(paced.is_forecast_whole, false)
            and paced.settled_through < paced.period_end
            and paced.pace > 1.05
            then 'at_risk'
        else 'on_track'
    end as state
from paced
