{{ config(meta={'dagster': {'ref': {'name': 'fct_charges'}}}) }}
-- As many charges as the ledger counts rows, on every day just built that stands as it was read.
with

days as (
    {{ days_as_they_stand('fct_charges') }}
),

charges as (
    select
        account_id,
        usage_date,
        count(*) as charges
    from ({{ rows_of_days(ref('fct_charges'), 'days') }}) as found
    group by 1, 2
),

ledger as (
    select
        days.account_id,
        days.usage_date,
        sum(partitions.rows) as ledger_rows
    from days
    inner join {{ source('raw', 'partitions') }} as partitions
        on
            partitions.dataset = 'costs'
            and partitions.account_id = days.account_id
            and partitions.usage_date = days.usage_date
    group by 1, 2
)

select
    account_id,
    usage_date,
    ledger.ledger_rows,
    charges.charges
from ledger
full join charges using (account_id, usage_date)
where coalesce(ledger.ledger_rows, 0) <> coalesce(charges.charges, 0)
