-- grain: one row per provider and service
-- By hops through the index: a scan of all days would cost what the whole history weighs.
with recursive

named as (
    (
        select
            daily.provider,
            daily.service_name,
            daily.service_category
        from {{ ref('fct_daily_costs') }} as daily
        order by 1, 2, 3
        limit 1
    )
    union all
    select
        next_one.provider,
        next_one.service_name,
        next_one.service_category
    from named
    cross join lateral (
        select
            daily.provider,
            daily.service_name,
            daily.service_category
        from {{ ref('fct_daily_costs') }} as daily
        where
            (daily.provider, daily.service_name, daily.service_category)
            > (named.provider, named.service_name, named.service_category)
        order by 1, 2, 3
        limit 1
    ) as next_one
),

dated as (
    select
        named.*,
        days.first_day,
        days.last_day
    from named
    cross join lateral (
        select
            min(daily.usage_date) as first_day,
            max(daily.usage_date) as last_day
        from {{ ref('fct_daily_costs') }} as daily
        where
            daily.provider = named.provider
            and daily.service_name = named.service_name
            and daily.service_category = named.service_category
    ) as days
)

select
    dated.provider,
    dated.service_name,
    -- a bill that files one service under two categories is shown under the one used last
    (array_agg(dated.service_category order by dated.last_day desc, dated.service_category asc))[1] as service_category,
    min(dated.first_day) as first_day,
    max(dated.last_day) as last_day
from dated
group by 1, 2
