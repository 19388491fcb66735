{{ config(materialized='view') }}

-- grain: one row per incident: cost beyond what was expected, or days that came late or not at all
-- depends_on: {{ ref('int_usage_series') }}
with

feedback as (
    select * from {{ source('app', 'anomaly_feedback') }}
),

assignments as (
    select * from {{ source('app', 'anomaly_assignments') }}
),

freshness as (
    select * from {{ ref('fct_freshness') }}
),

rules as (
    select * from {{ ref('provider_rules') }}
),

found as (
    select
        incidents.*,
        said.state,
        said.note,
        said.said_by,
        said.said_at,
        given.assigned_to,
        given.assigned_by,
        given.assigned_at
    from intermediate.anomaly_incidents as incidents
    left join lateral (
        -- what was said of an incident stays with it, if a restated day moves its start
        select feedback.*
        from feedback
        where
            feedback.series_key = incidents.series_key
            and feedback.start_date between incidents.start_date - 7 and incidents.end_date
        order by feedback.said_at desc, feedback.id desc
        limit 1
    ) as said on true
    left join lateral (
        select assignments.*
        from assignments
        where
            assignments.series_key = incidents.series_key
            and assignments.start_date between incidents.start_date - 7 and incidents.end_date
        order by assignments.assigned_at desc, assignments.id desc
        limit 1
    ) as given on true
),

-- what a person dismissed teaches: the like of it in its series, up to a quarter larger, is muted.
-- Word on an incident itself always counts more.
muted as (
    -- one join for all: a look through every incident for each of them grows with their square
    select distinct on (found.anomaly_id)
        found.anomaly_id,
        alike.anomaly_id as like_id,
        alike.note,
        alike.said_by,
        alike.said_at
    from found
    inner join found as alike
        on
            alike.series_key = found.series_key
            and alike.method = found.method
            and alike.reason = found.reason
            and alike.state = 'dismissed'
            and alike.start_date between found.start_date - 365 and found.start_date - 1
            and found.excess_cost <= alike.excess_cost * 1.25
    where found.state is null
    order by found.anomaly_id asc, alike.start_date desc
),

costs as (
    select
        freshness.*,
        coalesce(rules.settle_days, 3) as settle_days,
        min(freshness.usage_date) filter (where freshness.rows > 0) over accounts as first_charge,
        max(freshness.usage_date) filter (where freshness.rows > 0) over accounts as last_charge
    from freshness
    left join rules on rules.provider = freshness.provider
    where freshness.dataset = 'costs'
    window accounts as (partition by freshness.account_id)
),

troubled as (
    select
        costs.*,
        case
            when costs.is_gap then 'gap'
            when costs.state = 'missing' then 'late'
            else 'empty'
        end as reason
    from costs
    where
        costs.is_gap
        or (costs.state = 'missing' and costs.usage_date + costs.settle_days < '{{ var("today") }}'::date)
        or (
            costs.rows = 0 and costs.state not in ('missing', 'partial')
            and costs.usage_date between costs.first_charge and costs.last_charge
        )
),

in_runs as (
    select
        troubled.*,
        troubled.usage_date
        - row_number() over (
            partition by troubled.account_id, troubled.reason order by troubled.usage_date
        )::integer as run
    from troubled
),

runs as (
    select
        in_runs.provider,
        in_runs.account_id,
        in_runs.reason,
        min(in_runs.usage_date) as start_date,
        max(in_runs.usage_date) as end_date,
        count(*)::integer as flagged_days
    from in_runs
    group by in_runs.provider, in_runs.account_id, in_runs.reason, in_runs.run
)

select
    found.anomaly_id,
    'cost' as kind,
    found.scope,
    found.provider,
    found.account_id,
    found.sub_account_id,
    found.service_name,
    found.billing_currency,
    found.series_key,
    found.method,
    found.start_date,
    found.end_date,
    found.flagged_days,
    found.reason,
    found.severity,
    found.score,
    found.peak_date,
    found.peak_cost,
    found.expected_cost,
    found.lower_cost,
    found.upper_cost,
    found.excess_cost,
    found.drivers,
    coalesce(found.state, case when muted.like_id is not null then 'muted' end, 'open') as state,
    coalesce(found.note, muted.note) as state_note,
    coalesce(found.said_by, muted.said_by) as state_by,
    coalesce(found.said_at, muted.said_at) as state_at,
    muted.like_id as muted_like,
    found.assigned_to,
    found.assigned_by,
    found.assigned_at
from found
left join muted on muted.anomaly_id = found.anomaly_id

union all

select
    md5(concat_ws('|', runs.account_id, runs.reason, runs.start_date)) as anomaly_id,
    'data' as kind,
    'account' as scope,
    runs.provider,
    runs.account_id,
    null as sub_account_id,
    null as service_name,
    null as billing_currency,
    null as series_key,
    'freshness' as method,
    runs.start_date,
    runs.end_date,
    runs.flagged_days,
    runs.reason,
    'data' as severity,
    null as score,
    null as peak_date,
    null as peak_cost,
    null as expected_cost,
    null as lower_cost,
    null as upper_cost,
    null as excess_cost,
    null as drivers,
    'open' as state,
    null as state_note,
    null as state_by,
    null as state_at,
    null as muted_like,
    null as assigned_to,
    null as assigned_by,
    null as assigned_at
from runs
