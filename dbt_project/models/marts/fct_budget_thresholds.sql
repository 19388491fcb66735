{{ config(materialized='view') }}

-- grain: one row per active budget, period and threshold
-- depends_on: {{ ref('fct_forecasts') }}
-- depends_on: {{ ref('int_budget_days') }}
-- depends_on: {{ ref('int_budget_allocated_days') }}
with

{{ budget_steps() }},

thresholds as (
    select
        standings.*,
        wanted.basis,
        wanted.share,
        wanted.threshold_amount,
        wanted.expected_on,
        case
            when wanted.basis = 'actual' then standings.actual_cost
            when standings.forecast_through is not null then coalesce(wanted.forecast_cost, standings.actual_cost)
        end as cost
    from budget_standings as standings
    cross join lateral (
        select
            amounts.basis,
            amounts.share,
            amounts.threshold_amount,
            max(projections.cost_after) as forecast_cost,
            min({{ projected_day('projections', 'amounts.threshold_amount') }})
            filter (where standings.actual_cost < amounts.threshold_amount) as expected_on
        from (
            select
                entered.basis,
                entered.share,
                standings.budget_amount * entered.share as threshold_amount
            from {{ source('app', 'budget_thresholds') }} as entered
            where entered.budget_id = standings.budget_id
        ) as amounts
        left join (
            {{ budget_projections('standings') }}
        ) as projections on true
        group by amounts.basis, amounts.share, amounts.threshold_amount
    ) as wanted
)

select
    thresholds.budget_id,
    thresholds.name,
    thresholds.owner,
    thresholds.period,
    thresholds.period_start,
    thresholds.period_end,
    thresholds.billing_currency,
    thresholds.basis,
    thresholds.share,
    thresholds.threshold_amount,
    thresholds.budget_amount,
    thresholds.cost,
    coalesce(thresholds.cost >= thresholds.threshold_amount, false) as crossed,
    reached.crossed_on,
    thresholds.expected_on,
    case thresholds.basis
        when 'actual' then thresholds.data_through
        else thresholds.forecast_as_of
    end as as_of
from thresholds
cross join lateral (
    select min(burns.usage_date) as crossed_on
    from (
        {{ budget_burns('thresholds') }}
    ) as burns
    where
        burns.cumulative_cost >= thresholds.threshold_amount
        and thresholds.actual_cost >= thresholds.threshold_amount
) as reached
