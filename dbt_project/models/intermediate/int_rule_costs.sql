-- grain: one row per rule on costs, member of its split and UTC day
with

rules as (
    select
        every.*,
        -- what a growth is measured against lies before the first day judged
        (every.judged_from - case
            when every.kind = 'cost_amount' then interval '0 days'
            when every.grain = 'day' then interval '28 days'
            when every.grain = 'week' then interval '7 days'
            else interval '1 month'
        end)::date as read_from,
        -- what a rule tells apart beside providers and accounts, by its filters and its split
        array(
            select jsonb_object_keys(every.filters)
            union
            select every.split_by
            where every.split_by is not null
            except
            select unnest(array['provider', 'account'])
        ) as told_apart
    from {{ ref('int_alert_rules') }} as every
    where every.kind in ('cost_amount', 'cost_change')
),

accounts as (
    select
        every.account_id,
        min({{ provider_label('every.provider', 'every.account_name') }}) as provider_label
    from {{ ref('dim_accounts') }} as every
    where every.is_current
    group by 1
),

freshness as (
    select * from {{ ref('fct_freshness') }}
    where dataset = 'costs'
),

-- one dimension at most: the few rows that have it as `member`
by_dimension as (
    select
        rules.rule_id,
        case rules.split_by
            when 'provider' then accounts.provider_label
            when 'account' then costs.account_id
            when 'category' then coalesce(costs.member, 'No category')
            when 'sub_account' then coalesce(costs.member, 'No sub account')
            when 'region' then coalesce(costs.member, 'No region')
            when 'service' then costs.member
            when 'charge' then costs.member
        end as member,
        costs.account_id,
        costs.period_start as usage_date,
        {{ cost_of_type('rules', 'costs') }} as cost
    from rules
    inner join {{ ref('fct_costs_by_dimension') }} as costs
        on
            costs.dimension = coalesce(rules.told_apart[1], 'account')
            and costs.grain = 'day'
            and costs.period_start >= rules.read_from
            and costs.billing_currency = rules.billing_currency
    left join accounts on accounts.account_id = costs.account_id
    where
        cardinality(rules.told_apart) <= 1
        {{ passes('rules', {
            'provider': 'accounts.provider_label',
            'account': 'costs.account_id',
            'category': "coalesce(costs.member, 'No category')",
            'sub_account': "coalesce(costs.member, 'No sub account')",
            'region': "coalesce(costs.member, 'No region')",
            'service': 'costs.member',
            'charge': 'costs.member'
        }) }}
),

by_several as (
    select
        rules.rule_id,
        case rules.split_by
            when 'provider' then accounts.provider_label
            when 'category' then coalesce(costs.service_category, 'No category')
            when 'service' then costs.service_name
            when 'account' then costs.account_id
            when 'sub_account' then coalesce(costs.sub_account_id, 'No sub account')
            when 'region' then coalesce(costs.region_id, 'No region')
            when 'charge' then costs.charge_category
        end as member,
        costs.account_id,
        costs.usage_date,
        {{ cost_of_type('rules', 'costs') }} as cost
    from rules
    inner join {{ ref('fct_daily_costs') }} as costs
        on costs.usage_date >= rules.read_from and costs.billing_currency = rules.billing_currency
    left join accounts on accounts.account_id = costs.account_id
    where
        cardinality(rules.told_apart) > 1
        {{ passes('rules', {
            'provider': 'accounts.provider_label',
            'category': "coalesce(costs.service_category, 'No category')",
            'service': 'costs.service_name',
            'account': 'costs.account_id',
            'sub_account': "coalesce(costs.sub_account_id, 'No sub account')",
            'region': "coalesce(costs.region_id, 'No region')",
            'charge': 'costs.charge_category'
        }) }}
),

matched as (
    select
        found.rule_id,
        found.member,
        found.account_id,
        found.usage_date,
        sum(found.cost) as cost
    from (
        select * from by_dimension
        union all
        select * from by_several
    ) as found
    group by 1, 2, 3, 4
),

summed as (
    select
        matched.rule_id,
        matched.member,
        matched.usage_date,
        sum(matched.cost) as cost,
        min({{ state_rank('freshness.state') }}) as state_rank
    from matched
    left join freshness
        on freshness.account_id = matched.account_id and freshness.usage_date = matched.usage_date
    group by 1, 2, 3
)

select
    rules.rule_id,
    rules.kind,
    rules.grain,
    rules.billing_currency,
    rules.cost_type,
    rules.amount,
    rules.percent,
    rules.judged_from,
    coalesce(rules.split_by || '=' || summed.member, 'all') as scope_key,
    rules.filters
    || case
        when rules.split_by is null then '{}'::jsonb
        else jsonb_build_object(rules.split_by, jsonb_build_array(summed.member))
    end as scope,
    summed.usage_date,
    date_trunc(rules.grain, summed.usage_date)::date as period_start,
    summed.cost,
    summed.state_rank
from summed
inner join rules on rules.rule_id = summed.rule_id
