{# Grain: one row per active budget, period and UTC day with costs in the budget's currency #}
{% macro budget_burns() %}
    with

    periods as (
        select * from budget_periods
    ),

    costs as (
        select * from budget_sums
        where account_id is null
    )

    select
        periods.budget_id,
        periods.period_start,
        periods.budget_amount,
        costs.usage_date,
        costs.cost,
        sum(costs.cost) over (
            partition by periods.budget_id, periods.period_start
            order by costs.usage_date
        ) as cumulative_cost
    from periods
    inner join costs
        on
            costs.budget_id = periods.budget_id
            and costs.billing_currency = periods.billing_currency
            and costs.usage_date between periods.period_start and periods.period_end
{% endmacro %}
