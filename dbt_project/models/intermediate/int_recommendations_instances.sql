-- grain: one row per machine that can be judged and kind of finding (idle, oversized)
-- Without enough days of both metrics nothing is said: no data is not idle. A machine that is stopped
-- is not idle either.
with

machines as (
    select
        resources.*,
        split_part(resources.instance_type, '.', 1) as family,
        split_part(resources.instance_type, '.', 2) as size
    from {{ ref('dim_resources') }} as resources
    where
        resources.is_active
        and resources.resource_type = 'ec2:instance'
        -- how many stand is decided by their group
        and not coalesce(
            resources.tags ?| array[
                'aws:autoscaling:groupName', 'eks:nodegroup-name', 'karpenter.sh/nodepool', 'aws:ec2:fleet-id'
            ],
            false
        )
),

measured as (
    select
        machines.*,
        processor.days,
        processor.peak,
        processor.mean,
        network.days as network_days,
        network.bytes
    from machines
    left join lateral (
        select
            count(utilisation.maximum)::integer as days,
            max(utilisation.maximum) as peak,
            avg(utilisation.average) as mean
        from {{ ref('fct_resource_utilisation') }} as utilisation
        where
            utilisation.resource_id = machines.resource_id
            and utilisation.account_id = machines.account_id
            and utilisation.metric = 'CPUUtilization'
            and utilisation.usage_date >= {{ first_observed_day() }}
            and utilisation.usage_date < '{{ var("today") }}'::date
            -- a machine is launched anew when it changes its type: what was before tells nothing of it
            and utilisation.usage_date > coalesce(machines.created_at, '-infinity') at time zone 'UTC'
    ) as processor on true
    left join lateral (
        select
            count(*)::integer as days,
            max(daily.bytes) as bytes
        from (
            select sum(utilisation.sum) as bytes
            from {{ ref('fct_resource_utilisation') }} as utilisation
            where
                utilisation.resource_id = machines.resource_id
                and utilisation.account_id = machines.account_id
                and utilisation.metric in ('NetworkIn', 'NetworkOut')
                and utilisation.usage_date >= {{ first_observed_day() }}
                and utilisation.usage_date < '{{ var("today") }}'::date
            group by utilisation.usage_date
            having count(utilisation.sum) = 2
        ) as daily
    ) as network on true
),

judged as (
    select
        measured.*,
        measured.peak < {{ threshold('idle_cpu_percent') }}
        and measured.bytes <= {{ threshold('idle_network_bytes') }} as is_idle_machine,
        {{ halved_size('measured.size') }} as half_size,
        -- processors say nothing of graphics cards, and burstable machines are meant to rest
        measured.family ~ '^(g[0-9]|p[0-9]|inf|trn|dl|vt|f[0-9])' as has_accelerators,
        measured.family ~ '^t[0-9]' as is_burstable
    from measured
    where
        measured.state <> 'running'
        or least(measured.days, measured.network_days) >= {{ threshold('observed_days') }}
)

select
    kinds.kind,
    kinds.action,
    judged.account_id,
    judged.resource_id,
    judged.state = 'running'
    and case kinds.kind
        when 'idle_instance' then judged.is_idle_machine
        else
            not judged.is_idle_machine
            and judged.peak <= {{ threshold('oversized_cpu_percent') }}
            and judged.half_size is not null
            and judged.lifecycle = 'on-demand'
            and not judged.has_accelerators
            and not judged.is_burstable
    end as is_found,
    jsonb_strip_nulls(jsonb_build_object(
        'state', judged.state,
        'instance_type', judged.instance_type,
        'smaller_type', case when kinds.kind = 'oversized_instance' then judged.family || '.' || judged.half_size end,
        'days_observed', judged.days,
        'first_day', {{ first_observed_day() }},
        'last_day', '{{ var("today") }}'::date - 1,
        'cpu_peak_percent', trim_scale(judged.peak),
        'cpu_mean_percent', round(judged.mean, 2),
        'network_bytes_on_the_busiest_day', trim_scale(judged.bytes),
        'lifecycle', judged.lifecycle
    )) as evidence,
    case kinds.kind when 'idle_instance' then 1 else 0.5 end as saved_share,
    case kinds.kind when 'idle_instance' then 'all' else 'compute' end as saved_part,
    case
        when kinds.kind = 'oversized_instance' then 'medium'
        when judged.has_accelerators or judged.lifecycle <> 'on-demand' then 'medium'
        else 'high'
    end as certainty,
    case
        when kinds.kind = 'oversized_instance' then 'Memory is not measured: see whether it fits the smaller type.'
        when judged.has_accelerators then 'Processors say nothing of the graphics cards.'
        when judged.lifecycle <> 'on-demand' then 'Not bought on demand: its place may be filled again.'
        else 'A standby rests by design. Its volumes cost until they are deleted.'
    end as caveat
from judged
cross join (
    values ('idle_instance', 'stop_or_terminate_instance'), ('oversized_instance', 'use_smaller_instance')
) as kinds (kind, action)
