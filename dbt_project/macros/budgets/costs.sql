{# Grain: one row per active budget, provider, account, UTC day and billing currency with costs in scope #}
{% macro budget_costs() %}
    with

    active as (
        select * from {{ source('app', 'budgets') }}
        where is_active
    ),

    summed as (
        select days.*
        from {{ ref('int_budget_days') }} as days
        inner join active on active.id = days.budget_id
    ),

    -- entered since the last build
    not_yet_summed as (
        select active.*
        from active
        where active.id not in (select built.budget_id from intermediate.built_budgets as built)
    ),

    summed_now as (
        {{ sum_budgets('not_yet_summed', ref('fct_daily_costs')) }}
    )

    select * from summed
    union all
    select * from summed_now
{% endmacro %}
