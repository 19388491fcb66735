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

-- from what people said to the incidents that it is about: they say little, and incidents are many.
-- What was said of an incident stays with it, if a restated day moves its start
said as (
    select distinct on (incidents.anomaly_id)
        incidents.anomaly_id,
        feedback.state,
        feedback.note,
        feedback.said_by,
        feedback.said_at
    from feedback
    inner join intermediate.anomaly_incidents as incidents
        on
            incidents.series_key = feedback.series_key
            and feedback.start_date between incidents.start_date - 7 and incidents.end_date
    order by incidents.anomaly_id asc, feedback.said_at desc, feedback.id desc
),

given as (
    select distinct on (incidents.anomaly_id)
        incidents.anomaly_id,
        assignments.assigned_to,
        assignments.assigned_by,
        assignments.assigned_at
    from assignments
    inner join intermediate.anomaly_incidents as incidents
        on
            incidents.series_key = assignments.series_key
            and assignments.start_date between incidents.start_date - 7 and incidents.end_date
    order by incidents.anomaly_id asc, assignments.assigned_at desc, assignments.id desc
),

-- what a person dismissed teaches: the like of it in its series, up to a quarter larger, is muted.
-- Word on an incident itself always counts more
muted as (
    select distinct on (incidents.anomaly_id)
        incidents.anomaly_id,
        alike.anomaly_id as like_id,
        said.note,
        said.said_by,
        said.said_at
    from said
    inner join intermediate.anomaly_incidents as alike on alike.anomaly_id = said.anomaly_id
    inner join intermediate.anomaly_incidents as incidents
        on
            incidents.series_key = alike.series_key
            and incidents.method = alike.method
            and incidents.reason = alike.reason
            and alike.start_date between incidents.start_date - 365 and incidents.start_date - 1
            and incidents.excess_cost <= alike.excess_cost * 1.25
    where said.state = 'dismissed'
    order by incidents.anomaly_id asc, alike.start_date desc
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
    incidents.anomaly_id,
    'cost' as kind,
    incidents.scope,
    incidents.provider,
    incidents.account_id,
    incidents.sub_account_id,
    incidents.service_name,
    incidents.billing_currency,
    incidents.series_key,
    incidents.method,
    incidents.start_date,
    incidents.end_date,
    incidents.flagged_days,
    incidents.reason,
    incidents.severity,
    incidents.score,
    incidents.peak_date,
    incidents.peak_cost,
    incidents.expected_cost,
    incidents.lower_cost,
    incidents.upper_cost,
    incidents.excess_cost,
    incidents.drivers,
    coalesce(said.state, case when muted.like_id is not null then 'muted' end, 'open') as state,
    coalesce(said.note, muted.note) as state_note,
    coalesce(said.said_by, muted.said_by) as state_by,
    coalesce(said.said_at, muted.said_at) as state_at,
    muted.like_id as muted_like,
    given.assigned_to,
    given.assigned_by,
    given.assigned_at
from intermediate.anomaly_incidents as incidents
left join said on said.anomaly_id = incidents.anomaly_id
left join given on given.anomaly_id = incidents.anomaly_id
left join muted on muted.anomaly_id = incidents.anomaly_id and said.anomaly_id is null

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
