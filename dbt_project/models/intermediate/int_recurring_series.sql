-- grain: one row per series and UTC day with a tax or a fee; a series is as in int_usage_series
with

-- what is charged beside usage and comes again: taxes, support plans, subscriptions, monthly fees.
-- credits, refunds and adjustments do not; the effective cost of a commitment is in its usage
charges as (
    select * from {{ ref('fct_daily_costs') }}
    where charge_category in ('Tax', 'Purchase')
),

of_services as (
    select
        'service' as scope,
        charges.provider,
        charges.account_id,
        charges.sub_account_id,
        charges.service_name,
        charges.billing_currency,
        charges.usage_date,
        sum(charges.effective_cost) as effective_cost
    from charges
    group by
        charges.provider, charges.account_id, charges.sub_account_id, charges.service_name,
        charges.billing_currency, charges.usage_date
),

of_accounts as (
    select
        'account' as scope,
        charges.provider,
        charges.account_id,
        null::text as sub_account_id,
        null::text as service_name,
        charges.billing_currency,
        charges.usage_date,
        sum(charges.effective_cost) as effective_cost
    from charges
    group by
        charges.provider, charges.account_id, charges.billing_currency, charges.usage_date
),

summed as (
    select * from of_services
    union all
    select * from of_accounts
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
where summed.effective_cost <> 0
