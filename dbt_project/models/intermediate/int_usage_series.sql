{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['account_id', 'usage_date']}],
        pre_hook="{{ open_increment('fct_daily_costs') }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per series and UTC day with usage; a series is a service of a sub account, or all
-- services of an account, in one currency
with

daily as (
    {{ of_changed_days(ref('fct_daily_costs')) }}
),

-- an upfront fee, a tax or a credit is no usage: its day says nothing of how much was used
usage as (
    select * from daily
    where charge_category = 'Usage'
),

summed as (
    select
        case when grouping(usage.service_name) = 0 then 'service' else 'account' end as scope,
        usage.provider,
        usage.account_id,
        usage.sub_account_id,
        usage.service_name,
        usage.billing_currency,
        usage.usage_date,
        sum(usage.effective_cost) as effective_cost
    from usage
    group by
        grouping sets (
            (
                usage.provider, usage.account_id, usage.sub_account_id, usage.service_name,
                usage.billing_currency, usage.usage_date
            ),
            (usage.provider, usage.account_id, usage.billing_currency, usage.usage_date)
        )
)

select
    {{ series_key('summed') }} as series_key,
    summed.scope,
    summed.provider,
    summed.account_id,
    summed.sub_account_id,
    summed.service_name,
    summed.billing_currency,
    summed.usage_date,
    summed.effective_cost
from summed
