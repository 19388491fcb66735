-- grain: one row per rule, scope and period whose cost exceeds that of former periods by the rule's
-- percent and, where it names one, by its amount
with

daily as (
    select * from {{ ref('int_rule_costs') }}
    where kind = 'cost_change'
),

rules as (
    select * from {{ ref('int_alert_rules') }}
    where kind = 'cost_change'
),

freshness as (
    select * from {{ ref('fct_freshness') }}
    where dataset = 'costs'
),

accounts as (
    select
        every.account_id,
        min({{ provider_label('every.provider', 'every.account_name') }}) as provider_label,
        bool_or(every.state = 'active') as is_active
    from {{ ref('dim_accounts') }} as every
    where every.is_current
    group by every.account_id
),

periods as (
    select
        daily.rule_id,
        daily.scope_key,
        daily.scope,
        daily.period_start,
        max(daily.usage_date) as usage_date,
        sum(daily.cost) as cost,
        min(daily.state_rank) as state_rank
    from daily
    group by daily.rule_id, daily.scope_key, daily.scope, daily.period_start
),

-- a day that an account still owes would make the past look cheap, and the present a growth
whole_days as (
    select
        rules.rule_id,
        rules.grain,
        freshness.usage_date
    from rules
    inner join freshness on freshness.usage_date >= rules.judged_from - 62
    inner join accounts on accounts.account_id = freshness.account_id
    where
        true
        {{ passes('rules', {
            'provider': 'accounts.provider_label', 'account': 'freshness.account_id'
        }) }}
    group by rules.rule_id, rules.grain, freshness.usage_date
    having
        bool_or(freshness.delivery_id is not null)
        and not bool_or(freshness.is_gap or (freshness.state = 'missing' and accounts.is_active))
),

whole_periods as (
    select
        whole_days.rule_id,
        date_trunc(whole_days.grain, whole_days.usage_date)::date as period_start
    from whole_days
    group by whole_days.rule_id, whole_days.grain, date_trunc(whole_days.grain, whole_days.usage_date)
    having
        count(*) = (
            date_trunc(whole_days.grain, whole_days.usage_date) + ('1 ' || whole_days.grain)::interval
        )::date - date_trunc(whole_days.grain, whole_days.usage_date)::date
),

-- a day is compared with the same weekday of four weeks, a week or month with the one before
compared as (
    select
        rules.rule_id,
        rules.grain,
        rules.billing_currency,
        rules.cost_type,
        rules.amount,
        rules.percent,
        periods.scope_key,
        periods.scope,
        periods.period_start,
        periods.usage_date,
        periods.cost,
        periods.state_rank,
        avg(coalesce(former.cost, 0)) as expected_cost,
        count(*) as references_found
    from rules
    inner join periods on periods.rule_id = rules.rule_id and periods.period_start >= rules.judged_from
    cross join generate_series(1, 4) as step
    inner join whole_periods
        on
            whole_periods.rule_id = rules.rule_id
            and whole_periods.period_start = (
                periods.period_start
                - step * case when rules.grain = 'month' then interval '1 month' else interval '7 days' end
            )::date
    left join periods as former
        on
            former.rule_id = rules.rule_id
            and former.scope_key = periods.scope_key
            and former.period_start = whole_periods.period_start
    where rules.grain = 'day' or step = 1
    group by
        rules.rule_id, rules.grain, rules.billing_currency, rules.cost_type, rules.amount, rules.percent,
        periods.scope_key, periods.scope, periods.period_start, periods.usage_date, periods.cost, periods.state_rank
)

select
    compared.rule_id,
    compared.scope_key,
    compared.grain || ' ' || compared.period_start as period_key,
    compared.scope,
    compared.period_start,
    (compared.period_start + ('1 ' || compared.grain)::interval)::date - 1 as period_end,
    compared.usage_date,
    compared.cost as observed_value,
    compared.expected_cost
    + greatest(compared.expected_cost * compared.percent / 100, coalesce(compared.amount, 0)) as threshold_value,
    compared.expected_cost as expected_value,
    'currency' as unit,
    compared.billing_currency,
    compared.cost_type,
    {{ state_of_rank('compared.state_rank') }} as data_state,
    jsonb_build_object(
        'grain', compared.grain,
        'percent', round((compared.cost / nullif(compared.expected_cost, 0) - 1) * 100, 1)
    ) as evidence
from compared
where
    -- of what had no cost before no share can be told: that is a new service, an anomaly
    compared.expected_cost > 0
    and (compared.grain <> 'day' or compared.references_found >= 2)
    and compared.cost > compared.expected_cost
    + greatest(compared.expected_cost * compared.percent / 100, coalesce(compared.amount, 0))
