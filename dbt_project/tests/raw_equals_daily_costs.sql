{{ config(meta={'dagster': {'ref': {'name': 'fct_daily_costs'}}}) }}
-- What the ledger says stands of an account's day is what the daily costs say, to the last decimal.
with

ledger as (
    select
        partitions.account_id,
        partitions.usage_date,
        currency.key as currency,
        cost_type.key as cost_type,
        sum(cost_type.value::numeric) as cost
    from {{ source('raw', 'partitions') }} as partitions
    cross join lateral jsonb_each(partitions.sums) as currency
    cross join lateral jsonb_each_text(currency.value) as cost_type
    where partitions.dataset = 'costs' and cost_type.key in ('billed_cost', 'net_unblended_cost')
    group by 1, 2, 3, 4
),

daily as (
    select
        daily.account_id,
        daily.usage_date,
        daily.billing_currency as currency,
        sum(daily.billed_cost) as cost
    from {{ ref('fct_daily_costs') }} as daily
    group by 1, 2, 3
)

select
    account_id,
    usage_date,
    currency,
    ledger.cost as ledger_cost,
    daily.cost as mart_cost
from ledger
full join daily using (account_id, usage_date, currency)
where coalesce(ledger.cost, 0) <> coalesce(daily.cost, 0)
