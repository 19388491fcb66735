{{ config(materialized='view') }}

-- grain: one row per active budget, period and threshold
with

{{ budget_steps() }},

standings as (
    select * from budget_standings
),

projections as (
    select * from budget_projections
),

forecasts as (
    select
        projections.budget_id,
        projections.period_start,
        max(projections.cost_after) as cost
    from projections
    group by projections.budget_id, projections.period_start
),

thresholds as (
    select
        standings.*,
        wanted.basis,
        wanted.share,
        standings.budget_amount * wanted.share as threshold_amount,
        case
            when wanted.basis = 'actual' then standings.actual_cost
            when standings.forecast_through is not null then coalesce(forecasts.cost, standings.actual_cost)
        end as cost
    from standings
    inner join {{ source('app', 'budget_thresholds') }} as wanted on wanted.budget_id = standings.budget_id
    left join forecasts
        on
            forecasts.budget_id = standings.budget_id
            and forecasts.period_start = standings.period_start
),

reached as (
    select
        thresholds.budget_id,
        thresholds.period_start,
        thresholds.share,
        min(burns.usage_date) as crossed_on
    from thresholds
    inner join budget_burns as burns
        on
            burns.budget_id = thresholds.budget_id
            and burns.period_start = thresholds.period_start
            and burns.cumulative_cost >= thresholds.threshold_amount
    where thresholds.actual_cost >= thresholds.threshold_amount
    group by thresholds.budget_id, thresholds.period_start, thresholds.share
),

expected as (
    select
        thresholds.budget_id,
        thresholds.period_start,
        thresholds.share,
        min({{ projected_day('projections', 'thresholds.threshold_amount') }}) as expected_on
    from thresholds
    inner join projections
        on
            projections.budget_id = thresholds.budget_id
            and projections.period_start = thresholds.period_start
    where thresholds.actual_cost < thresholds.threshold_amount
    group by thresholds.budget_id, thresholds.period_start, thresholds.share
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
    expected.expected_on,
    case thresholds.basis
        when 'actual' then thresholds.data_through
        else thresholds.forecast_as_of
    end as as_of
from thresholds
left join reached
    on
        reached.budget_id = thresholds.budget_id
        and reached.period_start = thresholds.period_start
        and reached.share = thresholds.share
left join expected
    on
        expected.budget_id = thresholds.budget_id
        and expected.period_start = thresholds.period_start
        and expected.share = thresholds.share
