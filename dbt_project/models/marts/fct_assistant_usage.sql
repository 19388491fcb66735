{{ config(materialized='view') }}
-- grain: one row per provider, model, tier and UTC day
-- What the assistant itself takes of language models, by list prices. In no other mart: where its
-- key belongs to an account that is ingested, the vendor's bill holds the same calls already.
with

attempts as (
    select
        chat_attempts.*,
        (chat_attempts.at at time zone 'UTC')::date as usage_date
    from {{ source('app', 'chat_attempts') }} as chat_attempts
),

vendors as (
    select distinct accounts.provider
    from {{ source('app', 'accounts') }} as accounts
    where accounts.state <> 'removed'
)

select
    -- keys
    attempts.provider,
    attempts.model,
    attempts.tier,
    attempts.usage_date,

    -- use
    count(*) as calls,
    count(*) filter (where attempts.outcome = 'answered') as answered_calls,
    count(*) filter (where attempts.cost_usd is null) as unpriced_calls,
    sum(attempts.input_tokens) as input_tokens,
    sum(attempts.output_tokens) as output_tokens,
    sum(attempts.cache_read_tokens) as cache_read_tokens,
    sum(attempts.cache_write_tokens) as cache_write_tokens,

    -- money, in billing_currency
    'USD' as billing_currency,
    'estimated' as cost_basis,
    sum(attempts.cost_usd) as estimated_cost,
    attempts.provider in (select vendors.provider from vendors) as is_vendor_ingested
from attempts
group by 1, 2, 3, 4
