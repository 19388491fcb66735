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

-- grain: one row per team, account, billing currency, UTC day, and usage or what is charged beside it
with

allocated as (
    {{ of_changed_days(ref('fct_daily_allocated_costs')) }}
),

-- as accounts and services are forecast: credits and adjustments do not come again
spent as (
    select * from allocated
    where charge_category in ('Usage', 'Tax', 'Purchase')
)

select
    spent.team,
    spent.account_id,
    spent.billing_currency,
    spent.usage_date,
    spent.charge_category = 'Usage' as is_usage,
    sum(spent.effective_cost) as effective_cost
from spent
group by 1, 2, 3, 4, 5
