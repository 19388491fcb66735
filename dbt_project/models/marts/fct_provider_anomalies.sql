-- grain: one row per account and anomaly, as last told
with

anomalies as (
    select * from {{ ref('stg_aws__anomalies') }}
),

told as (
    select
        anomalies.account_id,
        anomalies.anomaly_id,
        min(anomalies.usage_date) as first_told,
        max(anomalies.usage_date) as last_told
    from anomalies
    group by 1, 2
)

select
    anomalies.provider,
    anomalies.account_id,
    anomalies.anomaly_id,
    anomalies.monitor_id,
    anomalies.first_day,
    anomalies.last_day,
    told.first_told,
    told.last_told,
    anomalies.dimension_value,
    anomalies.billing_currency,
    anomalies.max_impact_cost,
    anomalies.total_impact_cost,
    anomalies.actual_cost,
    anomalies.expected_cost,
    anomalies.max_score,
    anomalies.current_score,
    anomalies.feedback,
    anomalies.root_causes,
    anomalies.x_delivery_id
from anomalies
inner join told
    on
        told.account_id = anomalies.account_id
        and told.anomaly_id = anomalies.anomaly_id
        and told.last_told = anomalies.usage_date
