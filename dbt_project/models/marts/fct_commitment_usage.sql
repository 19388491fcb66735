{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['usage_date', 'account_id']}],
        pre_hook="{{ open_increment('fct_charges') }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per account, commitment, billing currency and UTC day
-- What nobody used is an Unused row in FOCUS; in AWS's reports it is the rest on the commitment's fee.
with

charges as (
    {{ of_changed_days(ref('fct_charges')) }}
),

commitments as (
    select
        charges.*,
        charges.charge_category = 'Purchase' as is_purchase,
        charges.charge_category = 'Purchase' or charges.commitment_discount_status = 'Unused' as is_unused
    from charges
    where charges.commitment_discount_id is not null
)

select
    -- keys
    commitments.provider,
    commitments.account_id,
    commitments.commitment_discount_id,
    commitments.billing_currency,
    commitments.usage_date,

    -- what it is
    max(commitments.commitment_discount_type) as commitment_discount_type,
    max(commitments.commitment_discount_name) as commitment_discount_name,

    -- money, in billing_currency; a day without a purchase has bought nothing
    coalesce(sum(commitments.effective_cost) filter (where not commitments.is_unused), 0) as used_cost,
    coalesce(sum(commitments.effective_cost) filter (where commitments.is_unused), 0) as unused_cost,
    coalesce(sum(commitments.billed_cost) filter (where commitments.is_purchase), 0) as purchased_cost,

    -- until when the day's purchases pay
    (max(commitments.charge_period_end) filter (where commitments.is_purchase) at time zone 'UTC')::date
        as paid_until
from commitments
group by 1, 2, 3, 4, 5
