{{ config(materialized='view') }}

-- grain: one row per grain (day, week, month), account, tags, billing currency, whether all costs of
-- the day are final, and period; several where sets of attributes took turns. Each grain alone is
-- the whole bill: never sum across them.
with

costs as (
    select * from {{ ref('int_tag_costs') }}
),

attributes as (
    select * from {{ ref('int_charge_attributes') }}
)

select
    costs.grain,
    costs.period_start,
    attributes.provider,
    costs.account_id,
    attributes.tags,
    costs.billing_currency,
    costs.is_final,
    costs.list_cost,
    costs.contracted_cost,
    costs.effective_cost,
    costs.billed_cost
from costs
inner join attributes on attributes.attributes_key = costs.attributes_key
