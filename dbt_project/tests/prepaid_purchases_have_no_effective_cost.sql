{{ config(severity='warn') }}
-- FOCUS: a purchase that covers future charges has no effective cost of its own.
with

charges as (
    {{ just_built('fct_charges') }}
)

select
    charge_key,
    commitment_discount_id,
    effective_cost
from charges
where charge_category = 'Purchase' and commitment_discount_id is not null and effective_cost <> 0
