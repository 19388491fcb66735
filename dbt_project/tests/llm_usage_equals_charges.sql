{{ config(meta={'dagster': {'ref': {'name': 'fct_llm_usage'}}}) }}
-- Nothing of a bill is lost or doubled beside the tokens, to the last decimal.
with

charges as (
    select
        account_id,
        usage_date,
        billing_currency,
        sum(billed_cost) as billed_cost
    from {{ ref('int_llm_costs_unioned') }}
    group by 1, 2, 3
),

usage as (
    select
        account_id,
        usage_date,
        billing_currency,
        sum(billed_cost) as billed_cost
    from {{ ref('fct_llm_usage') }}
    where billed_cost is not null
    group by 1, 2, 3
)

select
    account_id,
    usage_date,
    billing_currency,
    charges.billed_cost as billed,
    usage.billed_cost as beside_tokens
from charges
full join usage using (account_id, usage_date, billing_currency)
where charges.billed_cost is distinct from usage.billed_cost
