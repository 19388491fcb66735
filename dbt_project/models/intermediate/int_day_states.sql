-- grain: one row per account, dataset and UTC day from the account's first day to today
with

partitions as (
    select * from {{ ref('int_partitions_by_day') }}
),

rules as (
    select * from {{ ref('provider_rules') }}
),

blocked as (
    select * from {{ ref('int_days_blocked') }}
),

finality as (
    select * from {{ ref('int_day_finality') }}
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
        day::date as usage_date,
        -- a day is judged by the bill of its own month; what later months correct comes on top
        (date_trunc('month', day) + interval '1 month')::date + coalesce(rules.closes_on, 15) - 1 as closes,
        -- no schedule reads it again from here on
        (date_trunc('month', day) + interval '2 months')::date as rests,
        coalesce(rules.final_by, 'provider') as final_by,
        coalesce(rules.settle_days, 3) as settle_days
    from spans
    cross join
        generate_series(
            spans.first_day,
            greatest(spans.data_through, '{{ var("today") }}'::date),
            interval '1 day'
        ) as day
    left join rules on rules.provider = spans.provider
),

judged as (
    select
        calendar.*,
        partitions.standing_rows,
        partitions.delivery_id,
        partitions.seen_at,
        partitions.changed_at,
        partitions.is_blocked,
        partitions.is_refused,
        coalesce(partitions.is_loaded, false) as is_loaded,
        coalesce(partitions.is_corrected, false) as is_corrected,
        coalesce(finality.was_final, false) as was_final,
        coalesce(finality.was_invoiced, false) as was_invoiced,
        coalesce(finality.is_invoiced, false) as is_invoiced,
        coalesce(finality.is_final, false)
        or (
            coalesce(partitions.is_loaded, false)
            and (partitions.seen_at at time zone 'UTC')::date >= calendar.closes
            and (
                partitions.standing_rows = 0
                or (
                    calendar.final_by = 'close'
                    and (
                        partitions.seen_at > partitions.changed_at
                        or (partitions.seen_at at time zone 'UTC')::date >= calendar.rests
                    )
                )
            )
        ) as is_final,
        calendar.usage_date + calendar.settle_days <= '{{ var("today") }}'::date as is_settled
    from calendar
    left join partitions
        on
            partitions.account_id = calendar.account_id
            and partitions.dataset = calendar.dataset
            and partitions.usage_date = calendar.usage_date
    left join finality
        on
            calendar.dataset = 'costs'
            and finality.account_id = calendar.account_id
            and finality.usage_date = calendar.usage_date
)

select
    judged.provider,
    judged.account_id,
    judged.dataset,
    judged.usage_date,
    case
        when not judged.is_loaded then 'missing'
        when judged.is_invoiced or judged.was_invoiced then 'invoiced'
        when judged.is_final or judged.was_final then 'final'
        when not judged.is_settled then 'partial'
        when judged.dataset <> 'costs' then 'final'
        else 'estimated'
    end as state,
    case
        when judged.is_blocked or blocked.account_id is not null then 'blocked'
        when judged.is_refused then 'refused'
    end as held_back,
    coalesce(not judged.is_loaded and judged.usage_date < judged.data_through, false) as is_gap,
    judged.was_final
    or (judged.is_corrected and (judged.is_final or judged.is_invoiced)) as restated_after_final,
    coalesce(judged.standing_rows, 0) as rows,
    judged.delivery_id,
    judged.seen_at,
    judged.changed_at
from judged
left join blocked
    on
        judged.dataset = 'costs'
        and blocked.account_id = judged.account_id
        and blocked.usage_date = judged.usage_date
