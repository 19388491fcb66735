-- grain: one row per provider and service
with

daily as (
    select * from {{ ref('fct_daily_costs') }}
)

select
    daily.provider,
    daily.service_name,
    -- a bill that files one service under two categories is shown under the more frequent one
    mode() within group (order by daily.service_category) as service_category,
    min(daily.usage_date) as first_day,
    max(daily.usage_date) as last_day
from daily
group by 1, 2
