{{ config(materialized='view') }}

-- grain: one row per series and month: the running one and the next three
-- depends_on: {{ ref('int_usage_series') }}
-- depends_on: {{ ref('int_recurring_series') }}
-- depends_on: {{ ref('int_team_series') }}
-- depends_on: {{ ref('fct_freshness') }}
select
    said.series_key,
    said.scope,
    said.provider,
    said.account_id,
    said.sub_account_id,
    said.service_name,
    said.billing_currency,
    said.method,
    said.as_of,
    said.month,
    said.horizon,
    said.booked_cost,
    said.booked_cost + said.rest_cost as forecast_cost,
    {{ forecast_bound('said', 'held', '-') }} as lower_cost,
    {{ forecast_bound('said', 'held', '') }} as upper_cost,
    coalesce(held.months, 0) as calibration_months,
    coalesce(held.errors, 0) as calibration_errors,
    said.team
from intermediate.forecasts as said
left join intermediate.forecast_calibrations as held
    on
        held.scope = said.scope
        and held.method = said.method
        and held.horizon = said.horizon
        and held.as_of = said.as_of
