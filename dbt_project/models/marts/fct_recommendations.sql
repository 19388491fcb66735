{{ config(materialized='view') }}

-- grain: one row per kind of finding, account and resource that was ever advised on, as it stood last
-- depends_on: {{ ref('int_recommendations_judged') }}
with

feedback as (
    select distinct on (said.recommendation_id) said.*
    from {{ source('app', 'recommendation_feedback') }} as said
    order by said.recommendation_id asc, said.said_at desc, said.id desc
),

episodes as (
    select
        log.*,
        row_number() over (partition by log.recommendation_id order by log.first_seen desc) as newest,
        count(*) over (partition by log.recommendation_id)::integer as times_seen
    from intermediate.recommendation_log as log
),

standing as (
    select
        episodes.*,
        feedback.note as state_note,
        feedback.said_by as state_by,
        feedback.said_at as state_at,
        outcomes.before_days,
        outcomes.after_days,
        outcomes.before_monthly_cost,
        outcomes.after_monthly_cost,
        outcomes.before_monthly_cost - outcomes.after_monthly_cost as realised_saving,
        coalesce(episodes.billing_currency, outcomes.billing_currency) as currency,
        case
            when episodes.ended_by = 'gone' then 'gone'
            when episodes.ended_by is not null then 'resolved'
            when feedback.state = 'dismissed' then 'dismissed'
            else 'open'
        end as state
    from episodes
    left join feedback on feedback.recommendation_id = episodes.recommendation_id
    left join {{ ref('int_recommendation_outcomes') }} as outcomes
        on
            outcomes.recommendation_id = episodes.recommendation_id
            and outcomes.first_seen = episodes.first_seen
    where episodes.newest = 1
)

select
    standing.recommendation_id,
    standing.kind,
    standing.provider,
    standing.account_id,
    standing.sub_account_id,
    standing.region_id,
    standing.service_name,
    standing.resource_id,
    standing.resource_name,
    standing.resource_type,
    standing.action,
    {{ recommendation_sentence('standing') }} as description,
    standing.evidence,
    standing.monthly_cost,
    standing.monthly_saving,
    standing.currency as billing_currency,
    standing.saving_source,
    case
        -- a volume between two machines is unattached for days
        when
            standing.kind in ('unattached_volume', 'unattached_address')
            and standing.confidence = 'high'
            and standing.last_seen - standing.first_seen < {{ threshold_days('young_days') }}
            then 'medium'
        else standing.confidence
    end as confidence,
    -- advice on the same resource overlaps: the largest saving of each is what can be added up
    standing.state = 'open'
    and standing.monthly_saving is not null
    and standing.kind <> 'uncovered_usage'
    and row_number() over (
        partition by standing.state, standing.account_id, standing.resource_id
        order by standing.monthly_saving desc nulls last, standing.kind asc
    ) = 1 as counts_in_total,
    standing.first_seen,
    standing.last_seen,
    standing.times_seen,
    standing.state,
    standing.ended_on,
    standing.state_note,
    standing.state_by,
    standing.state_at,
    standing.promised_saving,
    standing.before_monthly_cost,
    standing.after_monthly_cost,
    standing.realised_saving,
    case
        when standing.ended_on is null then null
        when standing.before_monthly_cost is null then 'unknown'
        when standing.after_monthly_cost is null then 'pending'
        when standing.realised_saving >= 0.8 * coalesce(standing.monthly_saving, 0) and standing.realised_saving > 0
            then 'realised'
        when standing.realised_saving >= 0.2 * standing.monthly_saving and standing.realised_saving > 0 then 'partly'
        else 'not_realised'
    end as realised
from standing
