-- grain: one row per rule, budget, period and threshold that is crossed
with

rules as (
    select * from {{ ref('int_alert_rules') }}
    where kind = 'budget'
),

budgets as (
    select * from {{ source('app', 'budgets') }}
),

accounts as (
    select
        every.account_id,
        min(every.provider) as provider,
        min({{ provider_label('every.provider', 'every.account_name') }}) as provider_label
    from {{ ref('dim_accounts') }} as every
    where every.is_current
    group by every.account_id
),

-- a budget's filters are in columns of the mart; in an address, in the words of the page
members as (
    select
        budgets.id as budget_id,
        case entered.key
            when 'service_category' then 'category'
            when 'charge_category' then 'charge'
            else regexp_replace(entered.key, '_(id|name)$', '')
        end as dimension,
        coalesce(
            accounts.provider_label,
            wanted.value #>> '{}',
            'No ' || case entered.key
                when 'service_category' then 'category'
                else replace(regexp_replace(entered.key, '_(id|name)$', ''), '_', ' ')
            end
        ) as member
    from budgets
    cross join jsonb_each(budgets.filters) as entered
    cross join jsonb_array_elements(entered.value) as wanted
    left join accounts on entered.key = 'provider' and accounts.provider = wanted.value #>> '{}'
),

dimensions as (
    select
        members.budget_id,
        members.dimension,
        jsonb_agg(distinct members.member) as members
    from members
    group by members.budget_id, members.dimension
),

filters as (
    select
        dimensions.budget_id,
        jsonb_object_agg(dimensions.dimension, dimensions.members) as scope
    from dimensions
    group by dimensions.budget_id
)

select
    rules.rule_id,
    'budget=' || thresholds.budget_id || ' ' || thresholds.basis || ' ' || trim_scale(thresholds.share) as scope_key,
    thresholds.period || ' ' || thresholds.period_start as period_key,
    jsonb_build_object('budget', jsonb_build_array(thresholds.name)) || coalesce(filters.scope, '{}'::jsonb) as scope,
    thresholds.period_start,
    thresholds.period_end,
    case
        when thresholds.basis = 'actual' then coalesce(thresholds.crossed_on, thresholds.as_of)
        else thresholds.as_of
    end as usage_date,
    thresholds.cost as observed_value,
    thresholds.threshold_amount as threshold_value,
    thresholds.budget_amount as expected_value,
    'currency' as unit,
    thresholds.billing_currency,
    budgets.cost_type,
    case when thresholds.basis = 'forecast' then 'forecast' else 'estimated' end as data_state,
    jsonb_strip_nulls(jsonb_build_object(
        'grain', thresholds.period,
        'basis', thresholds.basis,
        'share', thresholds.share,
        'as_of', thresholds.as_of,
        'expected_on', thresholds.expected_on,
        'owner', thresholds.owner
    )) as evidence
from rules
cross join
    lateral (
        {{ crossed_thresholds('rules') }}
    ) as thresholds
inner join budgets on budgets.id = thresholds.budget_id
left join filters on filters.budget_id = thresholds.budget_id
where
    -- said of a period that is over it would be no news, and in a back-test it is not known when
    thresholds.basis = 'actual' or thresholds.as_of between thresholds.period_start and thresholds.period_end
