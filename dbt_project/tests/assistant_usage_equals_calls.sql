{{ config(meta={'dagster': {'ref': {'name': 'fct_assistant_usage'}}}) }}
-- Every call of a model stands in it once, and every known cost, to the last decimal.
with

called as (
    select
        count(*) as calls,
        count(*) filter (where chat_attempts.cost_usd is null) as unpriced_calls,
        sum(chat_attempts.cost_usd) as cost
    from {{ source('app', 'chat_attempts') }} as chat_attempts
),

summed as (
    select
        coalesce(sum(usage.calls), 0) as calls,
        coalesce(sum(usage.unpriced_calls), 0) as unpriced_calls,
        sum(usage.estimated_cost) as cost
    from {{ ref('fct_assistant_usage') }} as usage
)

select
    called.calls,
    summed.calls as summed_calls,
    called.cost,
    summed.cost as summed_cost
from called
cross join summed
where
    (called.calls, called.unpriced_calls, called.cost)
    is distinct from (summed.calls, summed.unpriced_calls, summed.cost)
