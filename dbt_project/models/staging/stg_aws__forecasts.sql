-- grain: one row per day that a forecast was made on, cost type and day ahead
with

forecasts as (
    select * from {{ source('raw', 'aws_forecasts') }}
)

select
    forecasts.account_id,
    'aws' as provider,
    forecasts.usage_date,
    forecasts.delivery_id as x_delivery_id,
    forecasts.linked_account_id as sub_account_id,
    forecasts.target_date,
    case forecasts.metric
        when 'NET_UNBLENDED_COST' then 'billed_cost'
        when 'NET_AMORTIZED_COST' then 'effective_cost'
    end as cost_type,
    forecasts.currency as billing_currency,
    forecasts.mean_cost,
    forecasts.lower_cost,
    forecasts.upper_cost,
    forecasts.interval_level
from forecasts
