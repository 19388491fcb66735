-- grain: one row per account, UTC day and billing month whose standing rows a person has accepted
-- An acceptance is of these very rows: the day as another delivery brings it is judged anew.
with

partitions as (
    select * from {{ source('raw', 'partitions') }}
    where dataset = 'costs'
)

select distinct on (acceptances.account_id, acceptances.usage_date, acceptances.billing_period)
    acceptances.account_id,
    acceptances.usage_date,
    acceptances.billing_period,
    acceptances.objection,
    acceptances.refused_delivery_id,
    acceptances.delivery_id,
    acceptances.replaced_rows,
    acceptances.accepted_by,
    acceptances.reason,
    acceptances.accepted_at
from {{ source('raw', 'acceptances') }} as acceptances
inner join partitions
    on
        partitions.account_id = acceptances.account_id
        and partitions.usage_date = acceptances.usage_date
        and partitions.billing_period = acceptances.billing_period
        and partitions.digest = acceptances.digest
where acceptances.dataset = 'costs'
order by
    acceptances.account_id asc,
    acceptances.usage_date asc,
    acceptances.billing_period asc,
    acceptances.id desc
