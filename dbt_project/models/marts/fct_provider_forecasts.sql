{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['account_id', 'usage_date']}],
        pre_hook="{{ open_increment('raw.forecasts') }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per account, day that a forecast was made on, cost type and day ahead
with

forecasts as (
    {{ of_changed_days(ref('stg_aws__forecasts')) }}
)

select
    forecasts.provider,
    forecasts.account_id,
    forecasts.sub_account_id,
    forecasts.usage_date,
    forecasts.target_date,
    forecasts.cost_type,
    forecasts.billing_currency,
    forecasts.mean_cost,
    forecasts.lower_cost,
    forecasts.upper_cost,
    forecasts.interval_level,
    forecasts.x_delivery_id
from forecasts
