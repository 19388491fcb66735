{#
    Grain: one row per active budget, provider, account, UTC day and billing currency with costs in
    the scope of a budget that was entered since the last build
#}
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
    What all budgets are read from, whether a build summed them or not: their days over all accounts,
    and the months of their accounts. See create_budget_tables.
#}
{% macro budget_costs() %}
day_sums_not_yet_built as materialized (
    select
        days.budget_id,
        days.usage_date,
        days.billing_currency,
        sum(days.cost) as cost
    from budget_costs_not_yet_built as days
    group by days.budget_id, days.usage_date, days.billing_currency
),

account_months_not_yet_built as materialized (
    select
        days.budget_id,
        date_trunc('month', days.usage_date::timestamp)::date as month,
        days.account_id,
        bool_or(days.cost <> days.effective_cost) as differs
    from budget_costs_not_yet_built as days
    group by days.budget_id, date_trunc('month', days.usage_date::timestamp), days.account_id
),

budget_day_sums as not materialized (
    select
        built.budget_id,
        built.usage_date,
        built.billing_currency,
        built.cost
    from intermediate.budget_day_sums as built
    union all
    select * from day_sums_not_yet_built
),

budget_account_months as not materialized (
    select
        built.budget_id,
        built.month,
        built.account_id,
        built.differs
    from intermediate.budget_account_months as built
    union all
    select * from account_months_not_yet_built
)
{% endmacro %}

{# Days of a row of budget_periods with costs in the budget's currency, and what they sum up to. #}
{% macro budget_burns(period) %}
    select
        days.usage_date,
        days.cost,
        sum(days.cost) over (order by days.usage_date) as cumulative_cost
    from budget_day_sums as days
    where
        days.budget_id = {{ period }}.budget_id
        and days.billing_currency = {{ period }}.billing_currency
        and days.usage_date between {{ period }}.period_start and {{ period }}.period_end
{% endmacro %}
