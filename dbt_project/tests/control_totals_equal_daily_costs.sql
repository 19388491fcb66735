{{ config(meta={'dagster': {'ref': {'name': 'fct_daily_costs'}}}) }}
-- The provider's own total of a day, where the delivery that gave it stands, is the mart's.
with

stated as (
    select
        partitions.account_id,
        partitions.usage_date,
        control.value ->> 'currency' as currency,
        (control.value ->> 'stated')::numeric as stated,
        (control.value ->> 'tolerance')::numeric as tolerance
    from {{ source('raw', 'partitions') }} as partitions
    inner join {{ source('raw', 'deliveries') }} as deliveries
        on deliveries.id = partitions.delivery_id
    cross join lateral jsonb_array_elements(deliveries.controls) as control (value)
    where
        partitions.dataset = 'costs'
        and deliveries.billing_period is null
        and deliveries.accepted_by is null
        and control.value ->> 'cost_type' in ('billed_cost', 'net_unblended_cost')
        and (control.value ->> 'first_day')::date = partitions.usage_date
        and (control.value ->> 'last_day')::date = partitions.usage_date
),

daily as (
    select
        account_id,
        usage_date,
        billing_currency as currency,
        sum(billed_cost) as billed_cost
    from {{ ref('fct_daily_costs') }}
    group by 1, 2, 3
)

select
    account_id,
    usage_date,
    currency,
    stated.stated,
    daily.billed_cost
from stated
left join daily using (account_id, usage_date, currency)
where abs(coalesce(daily.billed_cost, 0) - stated.stated) > stated.tolerance
