{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[
            {'columns': ['period_start', 'grain']},
            {'columns': ['dimension', 'grain', 'period_start']}
        ],
        pre_hook=["{{ open_increment('fct_costs_by_dimension', keeps_rows=true) }}", "{{ open_totals() }}"],
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per grain (day, week, month), dimension, member (of services: and category), billing
-- currency, whether it is final, and period. Of all accounts, so for people who see everything: it has
-- no column that could scope it. Each dimension alone is the whole bill: never sum across them.
with

summed as (
    select
        costs.grain,
        costs.dimension,
        costs.member,
        costs.service_category,
        costs.billing_currency,
        costs.is_final,
        costs.period_start,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost,
        sum(costs.charges)::bigint as charges
    from {{ ref('fct_costs_by_dimension') }} as costs
    group by 1, 2, 3, 4, 5, 6, 7
)

{{ by_changed_period('summed') }}
