{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['usage_date', 'account_id']}],
        pre_hook="{{ open_increment('fct_cost_history') }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per account and UTC day with costs
-- A day is judged by the bill of its own month; what later months correct comes on top.
-- depends_on: {{ ref('fct_daily_costs') }}
with

daily as (
    {{ of_changed_days(ref('fct_daily_costs')) }}
),

history as (
    {{ of_changed_days(ref('fct_cost_history')) }}
),

standing as (
    select
        daily.account_id,
        daily.usage_date,
        bool_and(daily.is_final) as is_final,
        bool_and(daily.is_invoiced) as is_invoiced
    from daily
    where daily.billing_period <= date_trunc('month', daily.usage_date)
    group by 1, 2
),

superseded as (
    select
        history.account_id,
        history.usage_date,
        history.billing_period,
        history.superseded_by,
        bool_and(history.is_final) as is_final,
        bool_and(history.is_invoiced) as is_invoiced
    from history
    where history.billing_period <= date_trunc('month', history.usage_date)
    group by 1, 2, 3, 4
),

-- what a day had reached before it was restated: states never go back
reached as (
    select
        superseded.account_id,
        superseded.usage_date,
        bool_or(superseded.is_final or superseded.is_invoiced) as was_final,
        bool_or(superseded.is_invoiced) as was_invoiced
    from superseded
    group by 1, 2
)

select
    account_id,
    usage_date,
    coalesce(standing.is_final, false) as is_final,
    coalesce(standing.is_invoiced, false) as is_invoiced,
    coalesce(reached.was_final, false) as was_final,
    coalesce(reached.was_invoiced, false) as was_invoiced
from standing
full join reached using (account_id, usage_date)
