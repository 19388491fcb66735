{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['usage_date', 'account_id']}],
        pre_hook=[
            "{{ open_increment('fct_daily_allocated_costs') }}",
            "{{ widen_to_rewritten('fct_daily_allocated_costs') }}"
        ],
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per team, cost centre and environment, the rules that found them and how, account,
-- billing currency, UTC day and whether it is final; what nobody bears is a row of its own, so that
-- the sums are the whole bill
with

-- a day of a billing month is final where all of its account's costs are
finality as (
    select
        daily.account_id,
        daily.usage_date,
        daily.billing_period,
        bool_and(daily.is_final) as is_final
    from {{ ref('fct_daily_costs') }} as daily
    group by 1, 2, 3
),

summed as (
    select
        costs.team,
        costs.team_source,
        costs.team_rule_id,
        costs.cost_center,
        costs.cost_center_source,
        costs.cost_center_rule_id,
        costs.environment,
        costs.environment_source,
        costs.environment_rule_id,
        costs.account_id,
        costs.billing_currency,
        costs.usage_date,
        coalesce(finality.is_final, false) as is_final,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost
    from {{ ref('fct_daily_allocated_costs') }} as costs
    left join finality
        on
            finality.account_id = costs.account_id
            and finality.usage_date = costs.usage_date
            and finality.billing_period = costs.billing_period
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
)

{{ by_changed_day('summed') }}
