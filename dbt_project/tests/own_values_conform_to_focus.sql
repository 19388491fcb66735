-- What we derive ourselves follows FOCUS 1.2 without exception: modelled costs equal what they are
-- modelled from, and what Cost Explorer's rows (modelled: unblended_cost) and lines of Cost and Usage
-- Reports become is our own mapping.
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
            when x_list_cost_source = 'modelled: billed_cost' and list_cost <> billed_cost then 'list_cost'
            when
                x_contracted_cost_source = 'modelled: billed_cost' and contracted_cost <> billed_cost
                then 'contracted_cost'
            when
                x_effective_cost_source = 'modelled: billed_cost' and effective_cost <> billed_cost
                then 'effective_cost'
            when provider not in ('aws', 'snowflake', 'openai', 'anthropic') or x_contracted_cost_source = 'provider' then null
            when charge_category not in ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment') then 'charge_category'
            when charge_frequency not in ('One-Time', 'Recurring', 'Usage-Based') then 'charge_frequency'
            when charge_category = 'Purchase' and charge_frequency = 'Usage-Based' then 'charge_frequency'
            when (pricing_quantity is null) <> (pricing_unit is null) then 'pricing_unit'
            when charge_category = 'Tax' and pricing_quantity is not null then 'pricing_quantity'
            when (consumed_quantity is null) <> (consumed_unit is null) then 'consumed_unit'
            when charge_category <> 'Usage' and consumed_quantity is not null then 'consumed_quantity'
            when charge_period_end <= charge_period_start then 'charge_period_end'
            when
                not (provider = 'aws' and x_contracted_cost_source <> 'modelled: unblended_cost')
                and charge_period_end <> charge_period_start + interval '24 hours'
                then 'charge_period_end'
            when usage_date <> (charge_period_start at time zone 'UTC')::date then 'usage_date'
            when billing_period <> (billing_period_start at time zone 'UTC')::date then 'billing_period'
            when service_category is null then 'service_category'
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
