-- grain: one row per account and month with days of fct_freshness
with

rules as (
    select * from {{ ref('provider_rules') }}
),

days as (
    select
        freshness.account_id,
        freshness.usage_date,
        freshness.state,
        freshness.is_gap
        or freshness.usage_date + coalesce(rules.settle_days, 3) <= '{{ var("today") }}'::date as is_due
    from {{ ref('fct_freshness') }} as freshness
    left join rules on rules.provider = freshness.provider
    where freshness.dataset = 'costs'
)

select
    days.account_id,
    date_trunc('month', days.usage_date::timestamp)::date as month,
    max(days.usage_date) filter (where days.state <> 'missing') as data_through,
    max(days.usage_date) filter (where days.state not in ('missing', 'partial')) as settled_through,
    count(*) filter (where days.state = 'missing' and days.is_due) as missing_days,
    count(*) filter (where days.state = 'partial') as partial_days,
    count(*) filter (where days.state = 'estimated') as estimated_days
from days
group by days.account_id, date_trunc('month', days.usage_date::timestamp)
