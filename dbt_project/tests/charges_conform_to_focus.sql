{{ config(severity='warn') }}
-- What FOCUS 1.2 asks of a charge. A provider's own lapse is shown, it does not hold back the bill.
with

charges as (
    {{ just_built('fct_charges') }}
),

faults as (
    select
        charge_key,
        account_id,
        usage_date,
        case
            when
                charge_category is null
                or charge_category not in ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment')
                then 'charge_category'
            when charge_class <> 'Correction' then 'charge_class'
            when service_name is null then 'service_name'
            when billing_currency !~ '^[A-Z]{3}$' then 'billing_currency'
            when charge_period_start is null or charge_period_end <= charge_period_start then 'charge_period'
            when billing_period_start is null or billing_period_end <= billing_period_start then 'billing_period'
            when (pricing_quantity is null) <> (pricing_unit is null) then 'pricing_quantity'
            when list_unit_price < 0 or contracted_unit_price < 0 then 'unit_price'
        end as fault
    from charges
)

select
    charge_key,
    account_id,
    usage_date,
    fault
from faults
where fault is not null
