-- grain: one row per rule, scope and month whose forecast exceeds the rule's amount
with

rules as (
    select
        every.*,
        -- an account is forecast by itself; only what looks inside it takes the services' forecasts
        case
            when every.split_by in ('service', 'sub_account') or every.filters ?| array['service', 'sub_account']
                then 'service'
            else 'account'
        end as series_scope
    from {{ ref('int_alert_rules') }} as every
    where every.kind = 'forecast'
),

accounts as (
    select
        every.account_id,
        min({{ provider_label('every.provider', 'every.account_name') }}) as provider_label
    from {{ ref('dim_accounts') }} as every
    where every.is_current
    group by every.account_id
),

standing as (
    select * from {{ ref('fct_forecasts') }}
    where horizon = 0
),

-- what was forecast of months that are over: for back-tests, never for an alert
past as (
    select every.*
    from {{ ref('fct_forecast_errors') }} as every
    where every.horizon = 0 and every.method in (select standing.method from standing)
),

said as (
    select
        standing.scope,
        standing.account_id,
        standing.sub_account_id,
        standing.service_name,
        standing.billing_currency,
        standing.as_of,
        standing.month,
        standing.booked_cost,
        standing.forecast_cost,
        standing.lower_cost,
        standing.upper_cost,
        false as is_past
    from standing
    union all
    select
        past.scope,
        past.account_id,
        past.sub_account_id,
        past.service_name,
        past.billing_currency,
        past.as_of,
        past.month,
        past.booked_cost,
        past.forecast_cost,
        past.lower_cost,
        past.upper_cost,
        true as is_past
    from past
),

summed as (
    select
        rules.rule_id,
        rules.billing_currency,
        rules.amount,
        rules.filters,
        rules.split_by,
        case rules.split_by
            when 'provider' then accounts.provider_label
            when 'account' then said.account_id
            when 'sub_account' then coalesce(said.sub_account_id, 'No sub account')
            when 'service' then said.service_name
        end as member,
        said.month,
        said.is_past,
        case when said.is_past then said.as_of end as past_as_of,
        max(said.as_of) as as_of,
        sum(said.booked_cost) as booked_cost,
        sum(said.forecast_cost) as forecast_cost,
        -- bounds must not be added up
        case when count(*) = 1 then min(said.lower_cost) end as lower_cost,
        case when count(*) = 1 then min(said.upper_cost) end as upper_cost
    from rules
    inner join said
        on
            said.scope = rules.series_scope
            and said.billing_currency = rules.billing_currency
            and said.month >= date_trunc('month', rules.judged_from)
            and (rules.is_backtest or not said.is_past)
    left join accounts on accounts.account_id = said.account_id
    where
        true
        {{ passes('rules', {
            'provider': 'accounts.provider_label',
            'account': 'said.account_id',
            'sub_account': "coalesce(said.sub_account_id, 'No sub account')",
            'service': 'said.service_name'
        }) }}
    group by
        rules.rule_id, rules.billing_currency, rules.amount, rules.filters, rules.split_by, member, said.month,
        said.is_past, past_as_of
),

-- the first time that it was said of the month
breached as (
    select distinct on (summed.rule_id, summed.member, summed.month) summed.*
    from summed
    where summed.forecast_cost > summed.amount
    order by summed.rule_id, summed.member, summed.month, summed.as_of
)

select
    breached.rule_id,
    coalesce(breached.split_by || '=' || breached.member, 'all') as scope_key,
    'month ' || breached.month as period_key,
    breached.filters
    || case
        when breached.split_by is null then '{}'::jsonb
        else jsonb_build_object(breached.split_by, jsonb_build_array(breached.member))
    end as scope,
    breached.month as period_start,
    (breached.month + interval '1 month')::date - 1 as period_end,
    breached.as_of as usage_date,
    breached.forecast_cost as observed_value,
    breached.amount as threshold_value,
    null::numeric as expected_value,
    'currency' as unit,
    breached.billing_currency,
    'effective' as cost_type,
    'forecast' as data_state,
    jsonb_strip_nulls(jsonb_build_object(
        'booked_cost', breached.booked_cost,
        'lower_cost', breached.lower_cost,
        'upper_cost', breached.upper_cost,
        'as_of', breached.as_of
    )) as evidence
from breached
