-- grain: one row per account, dataset and UTC day that some delivery spoke of
with

partitions as (
    select * from {{ source('raw', 'partitions') }}
)

select
    partitions.account_id,
    partitions.provider,
    partitions.dataset,
    partitions.usage_date,
    sum(partitions.rows)::bigint as standing_rows,
    max(partitions.delivery_id) as delivery_id,
    max(partitions.seen_at) as seen_at,
    max(partitions.changed_at) as changed_at,
    bool_or(partitions.delivery_id is not null) as is_loaded,
    bool_or(
        partitions.delivery_id is not null and partitions.rows > 0
        and partitions.billing_period > date_trunc('month', partitions.usage_date)
    ) as is_corrected,
    bool_or(partitions.state = 'blocked') as is_blocked,
    bool_or(partitions.state = 'refused') as is_refused
from partitions
group by 1, 2, 3, 4
