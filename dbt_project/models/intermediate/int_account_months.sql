{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['account_id', 'month']}],
        pre_hook="{{ open_difference('int_account_month_states', ['account_id', 'month']) }}"
    )
}}

-- grain: one row per account and month with days of fct_freshness
with

states as (
    {{ of_difference('int_account_month_states') }}
)

select
    states.account_id,
    states.month,
    states.data_through,
    states.settled_through,
    states.missing_days,
    states.partial_days,
    states.estimated_days
from states
