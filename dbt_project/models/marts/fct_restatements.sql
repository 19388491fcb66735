{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['delivery_id']}, {'columns': ['usage_date', 'account_id']}],
        pre_hook="{{ open_increment('fct_cost_history') }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per delivery, account, day, service, charge category, currency and cost type
with

restatements as (
    {{ of_changed_days(source('raw', 'restatements')) }}
),

-- no restatement before the marts hold what it restated to
history as (
    select
        history.account_id,
        history.usage_date,
        history.billing_period,
        history.superseded_by,
        max(history.stood_until) as restated_at,
        bool_and(history.is_final) as was_final,
        bool_and(history.is_invoiced) as was_invoiced
    from ({{ of_changed_days(ref('fct_cost_history')) }}) as history
    group by 1, 2, 3, 4
)

select
    restatements.id as restatement_id,
    restatements.delivery_id,
    restatements.supersedes,
    restatements.account_id,
    restatements.provider,
    restatements.usage_date,
    restatements.billing_period,
    restatements.service,
    restatements.charge_category,
    restatements.currency,
    restatements.cost_type,
    restatements.old_cost,
    restatements.new_cost,
    restatements.delta,
    history.restated_at,
    -- bills close by the middle of the following month: what moves later is a surprise
    (history.restated_at at time zone 'UTC')::date
    > (restatements.billing_period + interval '1 month 15 days')::date as restated_after_close,
    history.was_final or history.was_invoiced as restated_after_final
from restatements
inner join history
    on
        history.account_id = restatements.account_id
        and history.usage_date = restatements.usage_date
        and history.billing_period = restatements.billing_period
        and history.superseded_by = restatements.delivery_id
