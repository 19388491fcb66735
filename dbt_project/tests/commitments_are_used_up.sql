{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_commitment_usage'}}}) }}
-- FOCUS: over a commitment's term, what was purchased is what was used and what was not. Judged once
-- everything that was paid for lies behind us, and where the first day known of it is a purchase: a
-- commitment that was paid before the first bill has no other side here.
with

usage as (
    select * from {{ ref('fct_commitment_usage') }}
),

data_through as (
    select
        account_id,
        max(usage_date) as usage_date
    from {{ ref('fct_daily_costs') }}
    group by 1
),

terms as (
    select
        usage.account_id,
        usage.commitment_discount_id,
        usage.billing_currency,
        min(usage.usage_date) as first_day,
        min(usage.usage_date) filter (where usage.purchased_cost <> 0) as first_purchase,
        max(usage.paid_until) as paid_until,
        sum(usage.purchased_cost) as purchased_cost,
        sum(usage.used_cost + usage.unused_cost) as spread_cost
    from usage
    group by 1, 2, 3
)

select
    terms.*,
    terms.purchased_cost - terms.spread_cost as balance
from terms
inner join data_through on data_through.account_id = terms.account_id
where
    terms.first_purchase = terms.first_day
    and terms.paid_until <= data_through.usage_date
    -- providers spread a fee with some ten decimals an hour
    and abs(terms.purchased_cost - terms.spread_cost) > terms.purchased_cost * 0.000001
