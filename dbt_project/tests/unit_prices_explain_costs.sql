{{ config(severity='warn') }}
-- FOCUS: cost = unit price x pricing quantity where both are given and nothing is corrected.
-- The provider's own figures: a warning, not an error.
with

charges as (
    {{ just_built('fct_charges') }}
)

select
    charge_key,
    list_cost,
    list_unit_price,
    pricing_quantity
from charges
where
    charge_class is null
    and x_list_cost_source = 'provider'
    and charge_category = 'Usage'
    and abs(list_cost - list_unit_price * pricing_quantity) > greatest(0.000001, abs(list_cost) * 0.000001)
