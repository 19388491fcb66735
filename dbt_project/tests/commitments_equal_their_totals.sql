{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'stg_aws__commitments'}}}) }}
-- AWS's total of a day is the sum over its commitments, but for the ten decimals that it rounds to.
with

figures as (
    select
        commitments.account_id,
        commitments.usage_date,
        commitments.commitment_type,
        case when commitments.commitment_type = 'reserved-instance' then commitments.service_name end as service_name,
        commitments.record,
        sum(commitments.amortized_cost) as amortized_cost,
        sum(commitments.unused_cost) as unused_cost,
        count(*) as figures
    from {{ ref('stg_aws__commitments') }} as commitments
    where commitments.record in ('commitment', 'total')
    group by 1, 2, 3, 4, 5
)

select
    totals.account_id,
    totals.usage_date,
    totals.commitment_type,
    totals.service_name,
    totals.amortized_cost as stated,
    parts.amortized_cost as summed
from figures as totals
left join figures as parts
    on
        parts.record = 'commitment'
        and parts.account_id = totals.account_id
        and parts.usage_date = totals.usage_date
        and parts.commitment_type = totals.commitment_type
        and parts.service_name is not distinct from totals.service_name
where
    totals.record = 'total'
    and totals.amortized_cost <> 0
    and (
        parts.amortized_cost is null
        or abs(totals.amortized_cost - parts.amortized_cost) > parts.figures * 0.00000000005
        or abs(totals.unused_cost - parts.unused_cost) > parts.figures * 0.00000000005
    )
