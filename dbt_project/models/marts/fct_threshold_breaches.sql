{{ config(materialized='view') }}

-- grain: one row per rule, scope and period where the rule's threshold is crossed
with

rules as (
    select * from {{ ref('int_alert_rules') }}
),

breaches as (
    {%- for kind in [
        'cost_amount', 'cost_change', 'budget', 'anomaly', 'forecast', 'stale_feed', 'residual', 'resource_anomaly'
    ] %}
    select
        -- a literal: of kinds that nobody asks for nothing is worked out
        '{{ kind }}' as kind,
        {{- breach_columns(kind ~ 's') }}
    from {{ ref('int_' ~ kind ~ '_breaches') }} as {{ kind }}s
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    md5(concat_ws('|', breaches.rule_id, breaches.scope_key, breaches.period_key)) as breach_id,
    breaches.rule_id,
    rules.rule_name,
    breaches.kind,
    case when breaches.evidence ->> 'severity' = 'critical' then 'critical' else rules.severity end as severity,
    breaches.scope_key,
    breaches.scope,
    breaches.period_key,
    breaches.period_start,
    breaches.period_end,
    breaches.usage_date,
    breaches.observed_value,
    breaches.threshold_value,
    breaches.expected_value,
    breaches.unit,
    breaches.billing_currency,
    breaches.cost_type,
    breaches.data_state,
    breaches.evidence
from breaches
inner join rules on rules.rule_id = breaches.rule_id
