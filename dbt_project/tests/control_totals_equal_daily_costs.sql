{{ config(meta={'dagster': {'ref': {'name': 'fct_daily_costs'}}}) }}
-- The provider's own total of a day, where the delivery that gave it stands, is the mart's.
with

days as (
    {{ days_as_they_stand('fct_daily_costs') }}
),

stated as (
    select
        partitions.account_id,
        partitions.usage_date,
        control.value ->> 'currency' as currency,
        case control.value ->> 'cost_type'
            when 'net_unblended_cost' then 'billed_cost'
            when 'actual_cost' then 'billed_cost'
            when 'amortized_cost' then case when deliveries.provider = 'azure' then 'effective_cost' end
            when 'net_amortized_cost' then 'effective_cost'
            when 'unblended_cost' then 'list_cost'
            when 'usage_in_currency' then 'billed_cost'
            when 'amount' then 'billed_cost'
            else control.value ->> 'cost_type'
        end as cost_type,
        (control.value ->> 'stated')::numeric as stated,
        (control.value ->> 'tolerance')::numeric as tolerance
    from days
    inner join {{ source('raw', 'partitions') }} as partitions
        on
            partitions.dataset = 'costs'
            and partitions.account_id = days.account_id
            and partitions.usage_date = days.usage_date
    inner join {{ source('raw', 'deliveries') }} as deliveries
        on deliveries.id = partitions.delivery_id
    cross join lateral jsonb_array_elements(deliveries.controls) as control (value)
    where
        deliveries.billing_period is null
        and deliveries.accepted_by is null
        and (control.value ->> 'first_day')::date = partitions.usage_date
        and (control.value ->> 'last_day')::date = partitions.usage_date
),

costs as (
    {{ rows_of_days(ref('fct_daily_costs'), 'days') }}
),

daily as (
    select
        costs.account_id,
        costs.usage_date,
        costs.billing_currency as currency,
        each.cost_type,
        sum(each.cost) as cost
    from costs
    cross join
        lateral (
            values
            ('billed_cost', costs.billed_cost),
            ('effective_cost', costs.effective_cost),
            ('list_cost', costs.list_cost),
            ('contracted_cost', costs.contracted_cost)
        ) as each (cost_type, cost)
    group by 1, 2, 3, 4
)

select
    account_id,
    usage_date,
    currency,
    cost_type,
    stated.stated,
    daily.cost
from stated
left join daily using (account_id, usage_date, currency, cost_type)
where
    stated.cost_type in ('billed_cost', 'effective_cost', 'list_cost', 'contracted_cost')
    and abs(coalesce(daily.cost, 0) - stated.stated) > stated.tolerance
