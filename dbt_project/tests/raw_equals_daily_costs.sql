{{ config(meta={'dagster': {'ref': {'name': 'fct_daily_costs'}}}) }}
-- What the ledger says stands of an account's day is what the daily costs say, to the last decimal,
-- per currency and cost type, on every day just built that has not been loaded again since.
with

days as (
    {{ days_as_they_stand('fct_daily_costs') }}
),

ledger as (
    select
        days.account_id,
        days.usage_date,
        currency.key as currency,
        sum(
            coalesce(
                currency.value ->> 'billed_cost',
                currency.value ->> 'actual_cost',
                currency.value ->> 'net_unblended_cost',
                currency.value ->> 'unblended_cost',
                currency.value ->> 'usage_in_currency',
                currency.value ->> 'line_item_net_unblended_cost',
                currency.value ->> 'line_item_unblended_cost',
                currency.value ->> 'amount'
            )::numeric
        ) as billed_cost,
        sum(
            coalesce(
                currency.value ->> 'effective_cost',
                currency.value ->> 'net_amortized_cost',
                currency.value ->> 'amortized_cost',
                currency.value ->> 'usage_in_currency',
                currency.value ->> 'amount'
            )::numeric
        ) as effective_cost,
        sum(
            coalesce(
                currency.value ->> 'list_cost',
                currency.value ->> 'unblended_cost',
                currency.value ->> 'usage_in_currency',
                currency.value ->> 'amount'
            )::numeric
        ) as list_cost,
        sum(
            coalesce(
                currency.value ->> 'contracted_cost',
                currency.value ->> 'unblended_cost',
                currency.value ->> 'usage_in_currency',
                currency.value ->> 'amount'
            )::numeric
        ) as contracted_cost
    from days
    inner join {{ source('raw', 'partitions') }} as partitions
        on
            partitions.dataset = 'costs'
            and partitions.account_id = days.account_id
            and partitions.usage_date = days.usage_date
    cross join lateral jsonb_each(partitions.sums) as currency
    group by 1, 2, 3
),

costs as (
    {{ rows_of_days(ref('fct_daily_costs'), 'days') }}
),

daily as (
    select
        costs.account_id,
        costs.usage_date,
        costs.billing_currency as currency,
        sum(costs.billed_cost) as billed_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost
    from costs
    group by 1, 2, 3
)

select
    account_id,
    usage_date,
    currency,
    ledger.billed_cost as ledger_billed_cost,
    daily.billed_cost as mart_billed_cost,
    ledger.effective_cost as ledger_effective_cost,
    daily.effective_cost as mart_effective_cost
from ledger
full join daily using (account_id, usage_date, currency)
where
    coalesce(ledger.billed_cost, 0) <> coalesce(daily.billed_cost, 0)
    -- what the ledger has no column of is modelled from several
    or coalesce(ledger.effective_cost, daily.effective_cost, 0) <> coalesce(daily.effective_cost, 0)
    or coalesce(ledger.list_cost, daily.list_cost, 0) <> coalesce(daily.list_cost, 0)
    or coalesce(ledger.contracted_cost, daily.contracted_cost, 0) <> coalesce(daily.contracted_cost, 0)
