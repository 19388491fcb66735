-- grain: one row per rule, cloud resource and day on which its cost jumped
-- A jump is a day that lies above the day before and above all that the resource used to cost: the
-- median of four weeks and its spread, the same weekdays, the same day of the month before.
-- A lasting rise is one jump, on its first day.
-- The mart is named where it is read: as a common table expression it would be kept as a copy, and
-- read whole for each resource.
with

rules as (
    select * from {{ ref('int_alert_rules') }}
    where kind = 'resource_anomaly'
),

accounts as (
    select
        every.account_id,
        min({{ provider_label('every.provider', 'every.account_name') }}) as provider_label,
        min(every.first_day) as first_day
    from {{ ref('dim_accounts') }} as every
    where every.is_current
    group by 1
),

freshness as (
    select * from {{ ref('fct_freshness') }}
    where dataset = 'costs'
),

-- few: most resources cost less than the amount on any day
dear as (
    select
        rules.rule_id,
        rules.amount,
        coalesce(rules.percent, 0) as percent,
        costs.provider,
        costs.account_id,
        costs.sub_account_id,
        costs.resource_id,
        costs.service_name,
        costs.billing_currency,
        costs.usage_date,
        costs.effective_cost as cost,
        freshness.state as data_state
    from rules
    cross join
        lateral (
            {{ dear_resources('rules') }}
        ) as costs
    inner join accounts
        on
            accounts.account_id = costs.account_id
            -- of an account that has just come everything is new
            and accounts.first_day <= costs.usage_date - 28
    -- after a day that is not there nothing is known of a jump
    inner join {{ ref('fct_freshness') }} as day_before
        on
            day_before.dataset = 'costs'
            and day_before.account_id = costs.account_id
            and day_before.usage_date = costs.usage_date - 1
            and day_before.delivery_id is not null
    left join freshness
        on freshness.account_id = costs.account_id and freshness.usage_date = costs.usage_date
    where
        true
        {{ passes('rules', {
            'provider': 'accounts.provider_label',
            'account': 'costs.account_id',
            'sub_account': "coalesce(costs.sub_account_id, 'No sub account')",
            'service': 'costs.service_name'
        }) }}
),

jumped as (
    select
        dear.*,
        coalesce(day_before.cost, 0) as former_cost
    from dear
    left join lateral (
        select sum(costs.effective_cost) as cost
        from {{ ref('fct_daily_resource_costs') }} as costs
        where
            costs.resource_id = dear.resource_id
            and costs.account_id = dear.account_id
            and costs.service_name = dear.service_name
            and costs.billing_currency = dear.billing_currency
            and costs.sub_account_id is not distinct from dear.sub_account_id
            and costs.usage_date = dear.usage_date - 1
    ) as day_before on true
    where dear.cost - coalesce(day_before.cost, 0) >= dear.amount
),

-- four weeks before, days without cost as zero
weeks as (
    select
        jumped.*,
        usual.median_cost,
        usual.same_weekday_cost,
        usual.same_day_cost,
        usual.days_with_cost,
        usual.spread
    from jumped
    cross join lateral (
        select
            percentile_cont(0.5) within group (order by days.cost) filter (where days.is_recent) as median_cost,
            max(days.cost) filter (where (jumped.usage_date - days.usage_date) % 7 = 0) as same_weekday_cost,
            max(days.cost) filter (where not days.is_recent) as same_day_cost,
            count(*) filter (where days.cost > 0 and days.is_recent) as days_with_cost,
            percentile_cont(0.75) within group (order by days.cost) filter (where days.is_recent)
            - percentile_cont(0.25) within group (order by days.cost) filter (where days.is_recent) as spread
        from (
            select
                calendar.usage_date,
                calendar.usage_date >= jumped.usage_date - 28 as is_recent,
                coalesce(sum(costs.effective_cost), 0)::double precision as cost
            from (
                select jumped.usage_date - step as usage_date
                from generate_series(1, 28) as step
                union
                select (jumped.usage_date - interval '1 month')::date as usage_date
            ) as calendar
            left join {{ ref('fct_daily_resource_costs') }} as costs
                on
                    costs.usage_date = calendar.usage_date
                    and costs.resource_id = jumped.resource_id
                    and costs.account_id = jumped.account_id
                    and costs.service_name = jumped.service_name
                    and costs.billing_currency = jumped.billing_currency
                    and costs.sub_account_id is not distinct from jumped.sub_account_id
            group by 1, 2
        ) as days
    ) as usual
),

judged as (
    select
        weeks.*,
        round(weeks.median_cost::numeric, 6) as expected_cost,
        round(
            greatest(
                weeks.median_cost * (1 + weeks.percent / 100)::double precision,
                weeks.median_cost + 3 * weeks.spread,
                weeks.same_weekday_cost,
                weeks.same_day_cost
            )::numeric, 6
        ) as upper_cost
    from weeks
)

select
    judged.rule_id,
    'resource=' || judged.account_id || ' ' || judged.resource_id || ' ' || judged.service_name as scope_key,
    judged.usage_date::text as period_key,
    jsonb_build_object(
        'account', jsonb_build_array(judged.account_id),
        'service', jsonb_build_array(judged.service_name),
        'resource', jsonb_build_array(judged.resource_id)
    ) as scope,
    judged.usage_date as period_start,
    judged.usage_date as period_end,
    judged.usage_date,
    judged.cost as observed_value,
    judged.upper_cost + judged.amount as threshold_value,
    judged.expected_cost as expected_value,
    'currency' as unit,
    judged.billing_currency,
    'effective' as cost_type,
    judged.data_state,
    jsonb_build_object(
        'upper_cost', judged.upper_cost,
        'former_cost', judged.former_cost,
        'is_new', judged.days_with_cost = 0
    ) as evidence
from judged
where judged.cost - judged.upper_cost >= judged.amount
