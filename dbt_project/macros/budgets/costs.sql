{#
    Grain of both: one row per active budget, provider, account, UTC day and billing currency with
    costs in scope. What was summed by builds is read where it is needed; what was entered since the
    last build is summed once.
#}
{% macro budget_costs() %}
    select days.*
    from (
        select * from {{ ref('int_budget_days') }}
        union all
        select * from {{ ref('int_budget_allocated_days') }}
    ) as days
    inner join {{ source('app', 'budgets') }} as active on active.id = days.budget_id and active.is_active
    union all
    select * from budget_costs_not_yet_built
{% endmacro %}

{% macro budget_costs_not_yet_built() %}
    with

    not_yet_summed as (
        select active.*
        from {{ source('app', 'budgets') }} as active
        where
            active.is_active
            and active.id not in (select built.budget_id from intermediate.built_budgets as built)
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

    select * from summed_now
    union all
    select * from allocated_now
{% endmacro %}

{#
    Grain: one row per active budget, account and month (`usage_date` null), and one per active
    budget, billing currency and UTC day (`account_id` null): all that most steps need, in one pass
#}
{% macro budget_sums() %}
    select
        costs.budget_id,
        costs.account_id,
        costs.month,
        costs.billing_currency,
        costs.usage_date,
        sum(costs.cost) as cost,
        bool_or(costs.cost <> costs.effective_cost) as differs
    from (
        select
            every.*,
            date_trunc('month', every.usage_date::timestamp)::date as month
        from budget_costs as every
    ) as costs
    group by
        grouping sets (
            (costs.budget_id, costs.account_id, costs.month),
            (costs.budget_id, costs.billing_currency, costs.usage_date)
        )
{% endmacro %}
