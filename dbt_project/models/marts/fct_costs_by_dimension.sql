{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[
            {'columns': ['period_start', 'account_id']},
            {'columns': ['dimension', 'grain', 'period_start']},
            {'columns': ['dimension', 'grain', 'account_id', 'period_start']},
            {'columns': ['dimension', 'grain', 'member', 'period_start']}
        ],
        pre_hook=["{{ open_increment('fct_daily_costs', keeps_rows=true) }}", "{{ open_rollup() }}"],
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per grain (day, week, month), dimension, member (of services: and category), account,
-- billing currency, whether it is final, and period. Each dimension alone is the whole bill: never
-- sum across them.
with

summed as (
    select
        costs.account_id,
        costs.usage_date,
        dimensions.dimension,
        dimensions.member,
        dimensions.service_category,
        costs.billing_currency,
        costs.is_final,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost,
        sum(costs.charges)::bigint as charges
    from {{ ref('fct_daily_costs') }} as {{ by_dimension('costs') }}
    group by 1, 2, 3, 4, 5, 6, 7
),

{{ sums_by_period(
    keys=['dimension', 'member', 'service_category', 'billing_currency', 'is_final'],
    measures=['list_cost', 'contracted_cost', 'effective_cost', 'billed_cost', 'charges']
) }}
