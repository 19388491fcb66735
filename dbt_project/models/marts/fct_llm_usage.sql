-- grain: one row per provider, account, sub account, model, meter, billing currency and UTC day
-- Use and cost come from two reports; a row has both where they name the same project, model and
-- kind of token, and otherwise what is known: no cost is spread over tokens it does not name.
with

usage as (
    select * from {{ ref('int_llm_usage_unioned') }}
),

costs as (
    select
        charges.provider,
        charges.account_id,
        charges.usage_date,
        charges.sub_account_id,
        charges.sku_price_details ->> 'x_Model' as model,
        coalesce(charges.sku_price_details ->> 'x_TokenType', charges.charge_description) as meter,
        charges.billing_currency,
        charges.billed_cost
    from {{ ref('int_llm_costs_unioned') }} as charges
),

counted as (
    select
        usage.provider,
        usage.account_id,
        usage.usage_date,
        usage.sub_account_id,
        usage.model,
        counts.meter,
        counts.tokens,
        counts.requests,
        counts.quantity
    from usage
    cross join
        lateral (
            values
            ('input', usage.input_tokens, null::bigint, null::bigint),
            ('cached_input', usage.cached_input_tokens, null, null),
            ('cache_write_5m', usage.cache_write_5m_tokens, null, null),
            ('cache_write_1h', usage.cache_write_1h_tokens, null, null),
            ('output', usage.output_tokens, null, null),
            ('input_audio', usage.input_audio_tokens, null, null),
            ('output_audio', usage.output_audio_tokens, null, null),
            -- on a row of their own: on each kind of token they would add up to a multiple
            ('requests', null, usage.requests, null),
            (usage.quantity_unit, null, null, usage.quantity)
        ) as counts (meter, tokens, requests, quantity)
    -- what was not used has no row; what is not told has none either
    where coalesce(counts.tokens, counts.requests, counts.quantity) <> 0
),

both_sides as (
    select
        counted.provider,
        counted.account_id,
        counted.usage_date,
        counted.sub_account_id,
        counted.model,
        counted.meter,
        null::text as billing_currency,
        counted.tokens,
        counted.requests,
        counted.quantity,
        null::numeric as billed_cost
    from counted
    union all
    select
        costs.provider,
        costs.account_id,
        costs.usage_date,
        costs.sub_account_id,
        costs.model,
        costs.meter,
        costs.billing_currency,
        null as tokens,
        null as requests,
        null as quantity,
        costs.billed_cost
    from costs
),

in_one_currency as (
    select
        both_sides.*,
        -- use has no currency: it stands beside its cost, once, whatever that is billed in
        coalesce(
            both_sides.billing_currency,
            min(both_sides.billing_currency) over (
                partition by
                    both_sides.provider,
                    both_sides.account_id,
                    both_sides.usage_date,
                    both_sides.sub_account_id,
                    both_sides.model,
                    both_sides.meter
            )
        ) as known_currency
    from both_sides
)

select
    -- keys
    in_one_currency.provider,
    in_one_currency.account_id,
    in_one_currency.sub_account_id,
    in_one_currency.model,
    in_one_currency.meter,
    in_one_currency.known_currency as billing_currency,
    in_one_currency.usage_date,

    -- use
    sum(in_one_currency.tokens) as tokens,
    sum(in_one_currency.requests) as requests,
    sum(in_one_currency.quantity) as quantity,

    -- money, in billing_currency
    sum(in_one_currency.billed_cost) as billed_cost
from in_one_currency
group by 1, 2, 3, 4, 5, 6, 7
