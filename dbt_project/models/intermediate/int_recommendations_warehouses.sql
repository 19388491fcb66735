-- grain: one row per Snowflake warehouse that can be judged and kind of finding (idle, suspends late,
-- oversized)
with

warehouses as (
    select
        settings.*,
        resources.state
    from {{ ref('stg_snowflake__warehouses') }} as settings
    inner join {{ ref('dim_resources') }} as resources
        on
            resources.account_id = settings.account_id
            and resources.resource_id = settings.resource_id
            and resources.last_seen = settings.usage_date
    where resources.is_active
),

rules as (
    select * from {{ ref('provider_rules') }}
),

costs as (
    select queries.* from {{ ref('fct_query_costs') }} as queries
    left join rules on rules.provider = queries.provider
    where {{ in_settled_days('queries', var('saving_cost_days')) }}
),

account_days as (
    select
        costs.account_id,
        count(distinct costs.usage_date)::integer as days,
        min(costs.usage_date) as first_day,
        max(costs.usage_date) as last_day
    from costs
    group by 1
),

used as (
    select
        costs.account_id,
        costs.sub_account_id,
        costs.warehouse_name,
        costs.billing_currency,
        sum(costs.credits) as credits,
        coalesce(sum(costs.queries), 0) as queries,
        sum(costs.bytes_scanned) as bytes_scanned,
        sum(costs.effective_cost) as effective_cost,
        greatest(sum(costs.effective_cost) filter (where costs.is_idle), 0) as idle_cost,
        greatest(sum(costs.credits) filter (where costs.is_idle), 0) as idle_credits
    from costs
    group by 1, 2, 3, 4
),

judged as (
    select
        warehouses.*,
        account_days.days,
        account_days.last_day,
        used.billing_currency,
        used.credits,
        used.queries,
        used.effective_cost,
        used.bytes_scanned / nullif(used.queries, 0) as bytes_a_query,
        used.idle_credits / nullif(used.credits, 0) as idle_share,
        load.days as load_days,
        load.most_queued
    from warehouses
    inner join account_days on account_days.account_id = warehouses.account_id
    inner join used
        on
            used.account_id = warehouses.account_id
            and used.sub_account_id = warehouses.sub_account_id
            and used.warehouse_name = warehouses.warehouse_name
    left join lateral (
        select
            count(*)::integer as days,
            max(utilisation.maximum) as most_queued
        from {{ ref('fct_resource_utilisation') }} as utilisation
        where
            utilisation.resource_id = warehouses.resource_id
            and utilisation.account_id = warehouses.account_id
            and utilisation.metric = 'avg_queued_load'
            and utilisation.usage_date between account_days.first_day and account_days.last_day
    ) as load on true
    where used.credits > 0 and account_days.days >= {{ threshold('observed_days') }}
)

select
    kinds.kind,
    kinds.action,
    judged.account_id,
    judged.resource_id,
    case kinds.kind
        when 'idle_warehouse' then judged.queries = 0
        when 'late_suspend_warehouse'
            then
                judged.queries > 0
                and judged.is_auto_suspend_told
                and (
                    coalesce(judged.auto_suspend_seconds, 0) = 0
                    or judged.auto_suspend_seconds > {{ threshold('auto_suspend_seconds') }}
                )
                and judged.idle_share * 100 > {{ threshold('idle_share_percent') }}
        else
            judged.queries > 0
            and judged.warehouse_size in ('Medium', 'Large', 'X-Large', '2X-Large', '3X-Large', '4X-Large')
            and judged.load_days > 0
            and judged.most_queued = 0
            and judged.max_clusters = 1
            and judged.bytes_a_query < {{ threshold('small_query_bytes') }}
            and judged.idle_share * 100 > {{ threshold('idle_share_percent') }}
    end as is_found,
    jsonb_strip_nulls(jsonb_build_object(
        'warehouse_size', judged.warehouse_size,
        'auto_suspend_seconds', judged.auto_suspend_seconds,
        'days_observed', judged.days,
        'last_day', judged.last_day,
        'credits', judged.credits,
        'idle_share', round(judged.idle_share, 4),
        'queries', judged.queries,
        'bytes_a_query', round(judged.bytes_a_query),
        'most_queued', judged.most_queued
    )) as evidence,
    case kinds.kind
        when 'idle_warehouse' then 1
        -- of the idle time what is beyond the shorter one
        when 'late_suspend_warehouse'
            then judged.idle_share * (
                1 - coalesce(
                    {{ threshold('auto_suspend_target_seconds') }} / nullif(judged.auto_suspend_seconds, 0), 0
                )
            )
        -- queries may take twice as long on half the size; only idle time is half as dear for certain
        else judged.idle_share * 0.5
    end as saved_share,
    'all' as saved_part,
    case kinds.kind
        when 'idle_warehouse' then 'high'
        when 'late_suspend_warehouse' then 'medium'
        else 'low'
    end as certainty,
    case kinds.kind
        when 'idle_warehouse' then 'Queries of 100 ms or less are not told apart from idle time.'
        when 'late_suspend_warehouse'
            then 'At most that: shorter pauses stay, a resume is billed for a minute, the cache is lost.'
        else 'Only the idle time is counted: queries may take longer on a smaller size.'
    end as caveat,
    'warehouse_cost' as own_source,
    judged.effective_cost / judged.days as own_cost_per_day,
    judged.days as own_days,
    judged.billing_currency as own_currency,
    'WAREHOUSE_METERING' as service_name
from judged
cross join (
    values
    ('idle_warehouse', 'drop_or_suspend_warehouse'),
    ('late_suspend_warehouse', 'suspend_sooner'),
    ('oversized_warehouse', 'use_smaller_warehouse')
) as kinds (kind, action)
