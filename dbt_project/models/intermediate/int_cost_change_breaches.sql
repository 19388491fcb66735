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
        daily.grain,
        daily.scope_key,
        daily.scope,
        daily.period_start,
        max(daily.usage_date) as usage_date,
        sum(daily.cost) as cost,
        min(daily.state_rank) as state_rank
    from daily
    group by daily.rule_id, daily.grain, daily.scope_key, daily.scope, daily.period_start
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
        whole_days.grain,
        date_trunc(whole_days.grain, whole_days.usage_date)::date as period_start
    from whole_days
    group by whole_days.rule_id, whole_days.grain, date_trunc(whole_days.grain, whole_days.usage_date)
    having
        count(*) = (
            date_trunc(whole_days.grain, whole_days.usage_date) + ('1 ' || whole_days.grain)::interval
        )::date - date_trunc(whole_days.grain, whole_days.usage_date)::date
),

-- a day is compared with the same weekday of four weeks, a week or month with the one before: how
-- many of these are whole, per period that is compared with them
references_found as (
    select
        whole_periods.rule_id,
        {{ period_after('whole_periods', 'step') }} as period_start,
        count(*) as periods
    from whole_periods
    cross join generate_series(1, 4) as step
    where whole_periods.grain = 'day' or step = 1
    group by whole_periods.rule_id, {{ period_after('whole_periods', 'step') }}
),

-- each period beside those that it is measured by; added up, not joined: a self join would be
-- planned as a loop over all of them, as nothing is known of how many they are
beside as (
    select
        periods.rule_id,
        periods.scope_key,
        periods.scope,
        periods.period_start,
        periods.usage_date,
        periods.cost,
        periods.state_rank,
        null::numeric as former_cost
    from periods
    union all
    select
        periods.rule_id,
        periods.scope_key,
        periods.scope,
        {{ period_after('periods', 'step') }} as period_start,
        null as usage_date,
        null as cost,
        null as state_rank,
        periods.cost as former_cost
    from periods
    inner join whole_periods
        on whole_periods.rule_id = periods.rule_id and whole_periods.period_start = periods.period_start
    cross join generate_series(1, 4) as step
    where periods.grain = 'day' or step = 1
),

summed as (
    select
        beside.rule_id,
        beside.scope_key,
        beside.scope,
        beside.period_start,
        max(beside.usage_date) as usage_date,
        max(beside.cost) as cost,
        max(beside.state_rank) as state_rank,
        sum(beside.former_cost) as former_cost
    from beside
    group by beside.rule_id, beside.scope_key, beside.scope, beside.period_start
    having max(beside.cost) is not null
),

compared as (
    select
        rules.grain,
        rules.billing_currency,
        rules.cost_type,
        rules.amount,
        rules.percent,
        summed.*,
        references_found.periods as references_found,
        summed.former_cost / references_found.periods as expected_cost
    from summed
    inner join rules on rules.rule_id = summed.rule_id and rules.judged_from <= summed.period_start
    inner join references_found
        on references_found.rule_id = summed.rule_id and references_found.period_start = summed.period_start
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
