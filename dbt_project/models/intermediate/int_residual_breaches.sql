-- grain: one row per rule and comparison whose residual holds back its day or month
with

rules as (
    select * from {{ ref('int_alert_rules') }}
    where kind = 'residual'
),

blocked as (
    select * from {{ ref('fct_reconciliations') }}
    where state = 'blocked'
),

-- rows of several billing months or invoices are one finding
comparisons as (
    select distinct on (
        blocked.account_id, blocked.check_name, blocked.cost_type, blocked.currency, blocked.first_day, blocked.last_day
    ) blocked.*
    from blocked
    order by
        blocked.account_id, blocked.check_name, blocked.cost_type, blocked.currency, blocked.first_day,
        blocked.last_day, abs(blocked.residual) desc nulls last
),

accounts as (
    select
        every.account_id,
        min({{ provider_label('every.provider', 'every.account_name') }}) as provider_label
    from {{ ref('dim_accounts') }} as every
    where every.is_current
    group by every.account_id
)

select
    rules.rule_id,
    concat_ws(
        ' ', 'account=' || comparisons.account_id, comparisons.check_name, comparisons.cost_type, comparisons.currency
    ) as scope_key,
    comparisons.first_day || '..' || comparisons.last_day as period_key,
    jsonb_build_object('account', jsonb_build_array(comparisons.account_id)) as scope,
    comparisons.first_day as period_start,
    comparisons.last_day as period_end,
    comparisons.last_day as usage_date,
    comparisons.residual as observed_value,
    rules.amount as threshold_value,
    null::numeric as expected_value,
    case when comparisons.currency is null then 'rows' else 'currency' end as unit,
    comparisons.currency as billing_currency,
    null::text as cost_type,
    'held back' as data_state,
    jsonb_strip_nulls(jsonb_build_object(
        'check_name', comparisons.check_name,
        'compared', comparisons.cost_type,
        'left_amount', comparisons.left_amount,
        'right_amount', comparisons.right_amount,
        'cause', comparisons.cause,
        'delivery_id', comparisons.delivery_id
    )) as evidence
from rules
inner join comparisons
    on
        comparisons.last_day >= rules.judged_from
        -- without an amount every residual counts, rows that are not money included
        and (
            rules.amount is null
            or (
                comparisons.currency = rules.billing_currency
                and abs(comparisons.residual) >= rules.amount
            )
        )
left join accounts on accounts.account_id = comparisons.account_id
where
    true
    {{ passes('rules', {'provider': 'accounts.provider_label', 'account': 'comparisons.account_id'}) }}
