-- grain: one row per account and UTC day whose standing rows do not tie, and that nobody has accepted
with

untied as (
    select distinct
        reconciliations.account_id,
        reconciliations.usage_date
    from {{ ref('int_raw_reconciliations') }} as reconciliations
    where not reconciliations.is_tied
)

select
    untied.account_id,
    untied.usage_date
from untied
inner join {{ source('raw', 'partitions') }} as partitions
    on
        partitions.account_id = untied.account_id
        and partitions.usage_date = untied.usage_date
        and partitions.dataset = 'costs'
left join {{ ref('int_acceptances') }} as acceptances
    on
        acceptances.account_id = partitions.account_id
        and acceptances.usage_date = partitions.usage_date
        and acceptances.billing_period = partitions.billing_period
group by 1, 2
having bool_or(partitions.delivery_id is not null and acceptances.account_id is null)
