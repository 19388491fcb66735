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

-- grain: one row per team, account, billing currency and UTC day; what no team bears is a row of its
-- own, so that the sums are the whole bill
with

summed as (
    select
        costs.team,
        costs.account_id,
        costs.billing_currency,
        costs.usage_date,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost
    from {{ ref('fct_daily_allocated_costs') }} as costs
    group by 1, 2, 3, 4
)

{{ by_changed_day('summed') }}
