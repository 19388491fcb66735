-- grain: one row per anomaly and day that AWS was asked on
with

anomalies as (
    select * from {{ source('raw', 'aws_anomalies') }}
)

select
    anomalies.account_id,
    'aws' as provider,
    anomalies.usage_date,
    anomalies.delivery_id as x_delivery_id,
    anomalies.anomaly_id,
    anomalies.monitor_arn as monitor_id,
    anomalies.first_day,
    anomalies.last_day,
    anomalies.dimension_value,
    anomalies.currency as billing_currency,
    anomalies.max_impact_cost,
    anomalies.total_impact_cost,
    anomalies.actual_cost,
    anomalies.expected_cost,
    anomalies.max_score,
    anomalies.current_score,
    anomalies.feedback,
    anomalies.root_causes
from anomalies
