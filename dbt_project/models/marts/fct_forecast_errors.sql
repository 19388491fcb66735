{{ config(materialized='view') }}

-- grain: one row per series, method, past day of forecast and month that is over
-- depends_on: {{ ref('int_usage_series') }}
-- depends_on: {{ ref('int_recurring_series') }}
-- depends_on: {{ ref('int_team_series') }}
-- depends_on: {{ ref('fct_freshness') }}
with

bounded as (
    select
        said.*,
        said.booked_cost + said.rest_cost as forecast_cost,
        {{ forecast_bound('said', 'held', '-') }} as lower_cost,
        {{ forecast_bound('said', 'held', '') }} as upper_cost
    from intermediate.forecast_errors as said
    left join intermediate.forecast_calibrations as held
        on
            held.scope = said.scope
            and held.method = said.method
            and held.horizon = said.horizon
            and held.as_of = said.as_of
)

select
    bounded.series_key,
    bounded.scope,
    bounded.provider,
    bounded.account_id,
    bounded.sub_account_id,
    bounded.service_name,
    bounded.billing_currency,
    bounded.method,
    bounded.as_of,
    bounded.month,
    bounded.horizon,
    bounded.booked_cost,
    bounded.forecast_cost,
    bounded.lower_cost,
    bounded.upper_cost,
    bounded.actual_cost,
    bounded.forecast_cost - bounded.actual_cost as error_cost,
    (bounded.forecast_cost - bounded.actual_cost) / nullif(bounded.actual_cost, 0) as error_share,
    bounded.actual_cost between bounded.lower_cost and bounded.upper_cost as is_covered,
    bounded.team
from bounded
