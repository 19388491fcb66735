-- grain: one row per rule and run of days that an active account's costs are late, missing or empty
with

rules as (
    select * from {{ ref('int_alert_rules') }}
    where kind = 'stale_feed'
),

runs as (
    select * from {{ ref('fct_cost_anomalies') }}
    where kind = 'data'
),

accounts as (
    select
        every.account_id,
        min({{ provider_label('every.provider', 'every.account_name') }}) as provider_label
    from {{ ref('dim_accounts') }} as every
    where every.is_current and every.state = 'active'
    group by 1
)

select
    rules.rule_id,
    'account=' || runs.account_id || ' ' || runs.reason as scope_key,
    runs.start_date::text as period_key,
    jsonb_build_object('account', jsonb_build_array(runs.account_id)) as scope,
    runs.start_date as period_start,
    runs.end_date as period_end,
    runs.end_date as usage_date,
    runs.flagged_days::numeric as observed_value,
    rules.days::numeric as threshold_value,
    null::numeric as expected_value,
    'days' as unit,
    null::text as billing_currency,
    null::text as cost_type,
    'missing' as data_state,
    jsonb_build_object('reason', runs.reason) as evidence
from rules
inner join runs on runs.end_date >= rules.judged_from and runs.flagged_days >= rules.days
inner join accounts on accounts.account_id = runs.account_id
where
    true
    {{ passes('rules', {'provider': 'accounts.provider_label', 'account': 'runs.account_id'}) }}
