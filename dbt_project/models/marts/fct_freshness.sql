{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['usage_date', 'account_id']}],
        pre_hook="{{ open_difference('int_day_states', ['account_id', 'dataset', 'usage_date']) }}"
    )
}}

-- grain: one row per account, dataset and UTC day from the account's first day to today
with

states as (
    {{ of_difference('int_day_states') }}
)

select
    states.provider,
    states.account_id,
    states.dataset,
    states.usage_date,
    states.state,
    states.held_back,
    states.is_gap,
    states.restated_after_final,
    states.rows,
    states.delivery_id,
    states.seen_at,
    states.changed_at
from states
