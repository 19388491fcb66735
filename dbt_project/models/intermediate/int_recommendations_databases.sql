-- grain: one row per database instance that can be judged and kind of finding (idle, oversized)
-- Without enough days of the metrics nothing is said; a database that is stopped is not idle.
with

databases as (
    select
        resources.*,
        split_part(resources.instance_type, '.', 2) as family,
        split_part(resources.instance_type, '.', 3) as size
    from {{ ref('dim_resources') }} as resources
    where resources.is_active and resources.resource_type = 'rds:instance'
),

measured as (
    select
        databases.*,
        processor.days,
        processor.peak,
        processor.mean,
        connections.days as connection_days,
        connections.most
    from databases
    left join lateral (
        select
            count(utilisation.maximum)::integer as days,
            max(utilisation.maximum) as peak,
            avg(utilisation.average) as mean
        from {{ ref('fct_resource_utilisation') }} as utilisation
        where
            utilisation.resource_id = databases.resource_id
            and utilisation.account_id = databases.account_id
            and utilisation.metric = 'CPUUtilization'
            and utilisation.usage_date >= {{ first_observed_day() }}
            and utilisation.usage_date < '{{ var("today") }}'::date
    ) as processor on true
    left join lateral (
        select
            count(utilisation.maximum)::integer as days,
            max(utilisation.maximum) as most
        from {{ ref('fct_resource_utilisation') }} as utilisation
        where
            utilisation.resource_id = databases.resource_id
            and utilisation.account_id = databases.account_id
            and utilisation.metric = 'DatabaseConnections'
            and utilisation.usage_date >= {{ first_observed_day() }}
            and utilisation.usage_date < '{{ var("today") }}'::date
    ) as connections on true
),

judged as (
    select
        measured.*,
        measured.most <= {{ threshold('idle_connections') }} as is_idle_database,
        {{ halved_size('measured.size') }} as half_size,
        measured.family ~ '^t[0-9]' as is_burstable
    from measured
    where
        measured.state <> 'available'
        or least(measured.days, measured.connection_days) >= {{ threshold('observed_days') }}
)

select
    kinds.kind,
    kinds.action,
    judged.account_id,
    judged.resource_id,
    judged.state = 'available'
    and case kinds.kind
        when 'idle_database' then judged.is_idle_database
        else
            not judged.is_idle_database
            and judged.peak <= {{ threshold('oversized_cpu_percent') }}
            and judged.half_size is not null
            and not judged.is_burstable
            -- a cluster fails over to members of the same size
            and judged.attached_to is null
    end as is_found,
    jsonb_strip_nulls(jsonb_build_object(
        'state', judged.state,
        'instance_type', judged.instance_type,
        'smaller_type',
        case when kinds.kind = 'oversized_database' then concat_ws('.', 'db', judged.family, judged.half_size) end,
        'platform', judged.platform,
        'cluster', judged.attached_to,
        'days_observed', judged.days,
        'first_day', {{ first_observed_day() }},
        'last_day', '{{ var("today") }}'::date - 1,
        'cpu_peak_percent', trim_scale(judged.peak),
        'cpu_mean_percent', round(judged.mean, 2),
        'most_connections', trim_scale(judged.most)
    )) as evidence,
    case kinds.kind when 'idle_database' then 1 else 0.5 end as saved_share,
    case kinds.kind when 'idle_database' then 'all' else 'compute' end as saved_part,
    case
        when kinds.kind = 'oversized_database' then 'medium'
        when judged.attached_to is not null then 'low'
        else 'high'
    end as certainty,
    case
        when kinds.kind = 'oversized_database'
            then 'Memory is not measured: see whether it fits the smaller class, and whether it is a replica.'
        when judged.attached_to is not null then 'What a cluster fails over to has no connections either.'
        else 'Nobody connected; a replica for disasters would look the same. Take a last snapshot.'
    end as caveat
from judged
cross join (
    values ('idle_database', 'delete_database_after_snapshot'), ('oversized_database', 'use_smaller_database')
) as kinds (kind, action)
