-- grain: one row per account, dataset and UTC day from the account's first day to today
with

partitions as (
    select * from {{ ref('int_partitions_by_day') }}
),

spans as (
    select
        partitions.account_id,
        partitions.provider,
        partitions.dataset,
        min(partitions.usage_date) as first_day,
        max(partitions.usage_date) filter (where partitions.is_loaded) as data_through
    from partitions
    group by 1, 2, 3
),

calendar as (
    select
        spans.*,
        day::date as usage_date
    from spans
    cross join
        generate_series(
            spans.first_day,
            greatest(spans.data_through, '{{ var("today") }}'::date),
            interval '1 day'
        ) as day
)

select
    calendar.provider,
    calendar.account_id,
    calendar.dataset,
    calendar.usage_date,
    case
        when partitions.is_blocked then 'blocked'
        when partitions.is_refused then 'refused'
        when not coalesce(partitions.is_loaded, false) and calendar.usage_date < calendar.data_through then 'gap'
        when not coalesce(partitions.is_loaded, false) then 'missing'
        when calendar.dataset = 'resources' then 'final'
        when finality.is_final then 'final'
        when calendar.usage_date >= '{{ var("today") }}'::date - 3 then 'open'
        when partitions.standing_rows = 0 and calendar.usage_date < '{{ var("today") }}'::date - 45 then 'final'
        else 'settling'
    end as state,
    coalesce(partitions.standing_rows, 0) as rows,
    partitions.delivery_id,
    partitions.seen_at,
    partitions.changed_at
from calendar
left join partitions
    on
        partitions.account_id = calendar.account_id
        and partitions.dataset = calendar.dataset
        and partitions.usage_date = calendar.usage_date
-- whether all charges of the day are final: the first entry of the day in the index
left join lateral (
    select daily.is_final
    from {{ ref('fct_daily_costs') }} as daily
    where
        calendar.dataset = 'costs'
        and daily.account_id = calendar.account_id
        and daily.usage_date = calendar.usage_date
    order by 1
    limit 1
) as finality on true
