{{ config(materialized='view') }}

-- grain: one row per series, UTC day and method, where cost or expectation reaches what matters
-- depends_on: {{ ref('int_usage_series') }}
select
    scores.series_key,
    scores.scope,
    scores.provider,
    scores.account_id,
    scores.sub_account_id,
    scores.service_name,
    scores.billing_currency,
    scores.usage_date,
    scores.method,
    scores.actual_cost,
    scores.expected_cost,
    scores.lower_cost,
    scores.upper_cost,
    scores.score,
    scores.reason
from intermediate.anomaly_scores as scores
