{{ config(materialized='table') }}

-- grain: one row per finding that ended, and time that it stood: what its resource cost a month before
-- and after. The days between the last sight and the end are left out, each side is up to four weeks.
-- depends_on: {{ ref('int_recommendations_judged') }}
with

rules as (
    select * from {{ ref('provider_rules') }}
),

ended as (
    select
        log.recommendation_id,
        log.first_seen,
        log.account_id,
        log.sub_account_id,
        log.resource_id,
        log.resource_name,
        log.kind,
        log.monthly_saving,
        log.billing_currency as promised_currency,
        log.last_seen - {{ var('saving_cost_days') }} as before_first,
        log.last_seen - 1 as before_last,
        log.ended_on + 1 as after_first,
        least(
            log.ended_on + {{ var('saving_cost_days') }},
            '{{ var("today") }}'::date - coalesce(rules.settle_days, 3)
        ) as after_last,
        array[
            log.resource_id,
            concat('arn:aws:ec2:', log.region_id, ':', log.sub_account_id, ':snapshot/', log.resource_id),
            concat('arn:aws:ec2:', log.region_id, ':', log.sub_account_id, ':elastic-ip/', log.resource_id)
        ] as billed_ids
    from intermediate.recommendation_log as log
    left join rules on rules.provider = log.provider
    where log.ended_on is not null
),

costs as (
    select
        ended.recommendation_id,
        ended.first_seen,
        found.*
    from ended
    cross join lateral (
        select
            daily.account_id,
            daily.billing_currency,
            daily.usage_date,
            daily.effective_cost
        from {{ ref('fct_daily_resource_costs') }} as daily
        where
            ended.kind not like '%_warehouse'
            and ended.kind <> 'unused_commitment'
            and daily.resource_id = any(ended.billed_ids)
            and (daily.account_id = ended.account_id or daily.sub_account_id = ended.sub_account_id)
            and daily.usage_date between ended.before_first and ended.after_last
        union all
        select
            queries.account_id,
            queries.billing_currency,
            queries.usage_date,
            queries.effective_cost
        from {{ ref('fct_query_costs') }} as queries
        where
            ended.kind like '%_warehouse'
            and queries.account_id = ended.account_id
            and queries.sub_account_id = ended.sub_account_id
            and queries.warehouse_name = ended.resource_name
            and queries.billing_currency is not null
            and queries.usage_date between ended.before_first and ended.after_last
        union all
        select
            usage.account_id,
            usage.billing_currency,
            usage.usage_date,
            usage.unused_cost
        from {{ ref('fct_commitment_usage') }} as usage
        where
            ended.kind = 'unused_commitment'
            and usage.account_id = ended.account_id
            and usage.commitment_discount_id = ended.resource_id
            and usage.usage_date between ended.before_first and ended.after_last
    ) as found
),

summed as (
    select
        ended.*,
        costs.account_id as billed_account_id,
        costs.billing_currency,
        min(costs.usage_date) as first_cost_day,
        sum(costs.effective_cost) filter (where costs.usage_date <= ended.before_last) as before_cost,
        coalesce(sum(costs.effective_cost) filter (where costs.usage_date >= ended.after_first), 0) as after_cost
    from ended
    inner join costs
        on costs.recommendation_id = ended.recommendation_id and costs.first_seen = ended.first_seen
    where costs.billing_currency = coalesce(ended.promised_currency, costs.billing_currency)
    group by
        ended.recommendation_id, ended.first_seen, ended.account_id, ended.sub_account_id, ended.resource_id,
        ended.resource_name, ended.kind, ended.monthly_saving, ended.promised_currency, ended.before_first,
        ended.before_last, ended.after_first, ended.after_last, ended.billed_ids, costs.account_id,
        costs.billing_currency
),

-- a resource is on the bill of its own account, or on that of a payer above
chosen as (
    select distinct on (summed.recommendation_id, summed.first_seen) summed.*
    from summed
    order by
        summed.recommendation_id asc,
        summed.first_seen asc,
        (summed.billed_account_id = summed.account_id) desc,
        summed.billed_account_id asc,
        summed.billing_currency asc
),

-- a day without a charge of the resource is a day at no cost, if the account's bill of it is here
counted as (
    select
        chosen.*,
        loaded.before_days,
        loaded.after_days
    from chosen
    cross join lateral (
        select
            count(*) filter (
                where freshness.usage_date between chosen.first_cost_day and chosen.before_last
            )::integer as before_days,
            count(*) filter (
                where freshness.usage_date between chosen.after_first and chosen.after_last
            )::integer as after_days
        from {{ ref('fct_freshness') }} as freshness
        where
            freshness.account_id = chosen.billed_account_id
            and freshness.dataset = 'costs'
            and freshness.rows > 0
            and freshness.usage_date between chosen.before_first and chosen.after_last
    ) as loaded
)

select
    counted.recommendation_id,
    counted.first_seen,
    counted.billing_currency,
    counted.before_days,
    counted.after_days,
    round(counted.before_cost / counted.before_days * 30, 6) as before_monthly_cost,
    case
        when counted.after_days >= {{ threshold('realised_days') }}
            then round(counted.after_cost / counted.after_days * 30, 6)
    end as after_monthly_cost
from counted
where counted.before_days > 0 and counted.before_cost is not null
