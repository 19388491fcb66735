-- grain: one row per rule and cost anomaly whose impact reaches the rule's amount
with

rules as (
    select * from {{ ref('int_alert_rules') }}
    where kind = 'anomaly'
),

anomalies as (
    select * from {{ ref('fct_cost_anomalies') }}
    where kind = 'cost' and state not in ('dismissed', 'muted')
),

accounts as (
    select
        every.account_id,
        min({{ provider_label('every.provider', 'every.account_name') }}) as provider_label
    from {{ ref('dim_accounts') }} as every
    where every.is_current
    group by 1
),

freshness as (
    select * from {{ ref('fct_freshness') }}
    where dataset = 'costs'
)

select
    rules.rule_id,
    anomalies.series_key as scope_key,
    anomalies.start_date::text as period_key,
    jsonb_strip_nulls(jsonb_build_object(
        'account', jsonb_build_array(anomalies.account_id),
        'service', case when anomalies.service_name is not null then jsonb_build_array(anomalies.service_name) end,
        'sub_account',
        case when anomalies.sub_account_id is not null then jsonb_build_array(anomalies.sub_account_id) end
    )) as scope,
    anomalies.start_date as period_start,
    anomalies.end_date as period_end,
    anomalies.peak_date as usage_date,
    anomalies.excess_cost as observed_value,
    rules.amount as threshold_value,
    null::numeric as expected_value,
    'currency' as unit,
    anomalies.billing_currency,
    'effective' as cost_type,
    freshness.state as data_state,
    jsonb_build_object(
        'anomaly_id', anomalies.anomaly_id,
        'reason', anomalies.reason,
        'severity', anomalies.severity,
        'peak_cost', anomalies.peak_cost,
        'expected_cost', anomalies.expected_cost,
        'upper_cost', anomalies.upper_cost,
        'drivers', jsonb_path_query_array(anomalies.drivers, '$[0 to 2]')
    ) as evidence
from rules
inner join anomalies
    on
        anomalies.billing_currency = rules.billing_currency
        and anomalies.excess_cost >= rules.amount
        and anomalies.end_date >= rules.judged_from
        and anomalies.scope = case when rules.split_by = 'account' then 'account' else 'service' end
left join accounts on accounts.account_id = anomalies.account_id
left join freshness
    on freshness.account_id = anomalies.account_id and freshness.usage_date = anomalies.peak_date
where
    true
    {{ passes('rules', {
        'provider': 'accounts.provider_label',
        'account': 'anomalies.account_id',
        'sub_account': "coalesce(anomalies.sub_account_id, 'No sub account')",
        'service': 'anomalies.service_name'
    }) }}
