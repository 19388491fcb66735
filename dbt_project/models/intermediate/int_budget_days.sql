{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['account_id', 'usage_date']}, {'columns': ['budget_id', 'usage_date']}],
        pre_hook=["{{ open_increment('fct_daily_costs') }}", "{{ open_budgets() }}"],
        post_hook=["{{ close_increment() }}", "{{ sum_budget_days() }}", "{{ close_budgets() }}"]
    )
}}

-- grain: one row per budget, provider, account, UTC day and billing currency with costs in its scope
-- depends_on: {{ source('app', 'budgets') }}
with

changed_costs as (
    {{ of_changed_days(ref('fct_daily_costs')) }}
),

of_changed as (
    {{ sum_budgets(seen_budgets(), 'changed_costs') }}
)
{%- if is_incremental() %},

new_budgets as (
    select * from {{ seen_budgets() }}
    where is_new
),

-- a new budget, to be added on the days that did not change
of_new as (
    {{ sum_budgets('new_budgets', ref('fct_daily_costs')) }}
)
{%- endif %}

select * from of_changed

{% if is_incremental() %}
union all

select of_new.*
from of_new
where
    not exists (
        select 1 from {{ changed_slices() }} as changed
        where changed.account_id = of_new.account_id and changed.usage_date = of_new.usage_date
    )
{% endif %}
