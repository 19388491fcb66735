{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['grain', 'period_start', 'account_id']}],
        pre_hook=[
            "{{ open_increment('fct_daily_team_costs', keeps_rows=true) }}",
            "{{ widen_to_rewritten('fct_daily_team_costs', keeps_rows=true) }}",
            "{{ open_rollup() }}"
        ],
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per grain (day, week, month), team, cost centre, environment, account, billing currency,
-- whether it is final, and period. Each grain alone is the whole bill: never sum across them.
with

summed as (
    select
        costs.team,
        costs.cost_center,
        costs.environment,
        costs.account_id,
        costs.billing_currency,
        costs.usage_date,
        costs.is_final,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost
    from {{ ref('fct_daily_team_costs') }} as costs
    group by 1, 2, 3, 4, 5, 6, 7
),

{{ sums_by_period(
    keys=['team', 'cost_center', 'environment', 'billing_currency', 'is_final'],
    measures=['list_cost', 'contracted_cost', 'effective_cost', 'billed_cost']
) }}
