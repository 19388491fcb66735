{# Grain: one row per active budget, provider, account, UTC day and billing currency with costs in scope #}
{% macro budget_costs() %}
    with

    active as (
        select * from {{ source('app', 'budgets') }}
        where is_active
    ),

    summed as (
        select days.*
        from (
            select * from {{ ref('int_budget_days') }}
            union all
            select * from {{ ref('int_budget_allocated_days') }}
        ) as days
        inner join active on active.id = days.budget_id
    ),

    -- entered since the last build
    not_yet_summed as (
        select active.*
        from active
        where active.id not in (select built.budget_id from intermediate.built_budgets as built)
    ),

    plain as (
        select * from not_yet_summed
        where not ({{ is_allocated('not_yet_summed') }})
    ),

    summed_now as (
        {{ sum_budgets('plain', ref('fct_daily_costs')) }}
    ),

    allocated as (
        select * from not_yet_summed
        where {{ is_allocated('not_yet_summed') }}
    ),

    allocated_now as (
        {{ sum_budgets('allocated', ref('fct_daily_allocated_costs'), allocated=true) }}
    )

    select * from summed
    union all
    select * from summed_now
    union all
    select * from allocated_now
{% endmacro %}
