-- grain: one row per account, commitment, billing currency and UTC day
-- Over a whole term what was bought is what was used and not used. Inside it the balance shows what
-- is paid for and not yet used up: an upfront payment's rest.
with

reported as (
    select
        commitments.provider,
        commitments.account_id,
        commitments.commitment_id,
        commitments.commitment_type,
        commitments.sub_account_id,
        commitments.service_name,
        commitments.region_id,
        commitments.plan,
        commitments.payment_option,
        commitments.instance_type,
        commitments.instance_count,
        commitments.state,
        commitments.term_start,
        commitments.term_end,
        commitments.billing_currency,
        commitments.usage_date,
        commitments.purchased_quantity,
        commitments.used_quantity,
        commitments.unused_quantity,
        commitments.quantity_unit,
        commitments.amortized_recurring_cost
        + case
            when (commitments.term_start at time zone 'UTC')::date = commitments.usage_date
                then commitments.upfront_cost
            else 0
        end as purchase_cost,
        commitments.amortized_cost - commitments.unused_cost as used_cost,
        commitments.unused_cost,
        commitments.on_demand_cost,
        commitments.net_savings,
        commitments.upfront_cost,
        commitments.x_delivery_id
    from {{ ref('stg_aws__commitments') }} as commitments
    where commitments.record = 'commitment'
),

moved as (
    select
        reported.*,
        reported.purchase_cost - reported.used_cost - reported.unused_cost as movement,
        min(reported.usage_date) over commitment as first_day
    from reported
    window
        commitment as (
            partition by reported.account_id, reported.commitment_id, reported.billing_currency
        )
),

opened as (
    select
        moved.*,
        (moved.term_start at time zone 'UTC')::date as start_day,
        case
            when moved.first_day <= (moved.term_start at time zone 'UTC')::date then 0
            -- bought before the first day that is loaded: the upfront payment's rest at that time
            else
                moved.upfront_cost * (
                    1 - extract(epoch from moved.first_day::timestamp at time zone 'UTC' - moved.term_start)
                    / nullif(extract(epoch from moved.term_end - moved.term_start), 0)
                )
        end as opening
    from moved
),

balanced as (
    select
        opened.*,
        case
            -- a day that is missing or not known leaves the balance open from then on
            when bool_or(opened.movement is null) over so_far then null
            when count(*) over so_far <> opened.usage_date - opened.first_day + 1 then null
            else opened.opening + sum(opened.movement) over so_far
        end as balance_cost
    from opened
    window
        so_far as (
            partition by opened.account_id, opened.commitment_id, opened.billing_currency
            order by opened.usage_date
        )
)

select
    balanced.provider,
    balanced.account_id,
    balanced.commitment_id,
    balanced.commitment_type,
    balanced.sub_account_id,
    balanced.service_name,
    balanced.region_id,
    balanced.plan,
    balanced.payment_option,
    balanced.instance_type,
    balanced.instance_count,
    balanced.state,
    balanced.term_start,
    balanced.term_end,
    balanced.billing_currency,
    balanced.usage_date,
    balanced.purchased_quantity,
    balanced.used_quantity,
    balanced.unused_quantity,
    balanced.quantity_unit,
    balanced.purchase_cost,
    balanced.used_cost,
    balanced.unused_cost,
    balanced.balance_cost,
    case
        when balanced.balance_cost is null then null
        when balanced.first_day <= balanced.start_day then 'summed from the start of the term'
        else 'summed from a modelled opening'
    end as balance_source,
    balanced.on_demand_cost,
    balanced.net_savings,
    balanced.x_delivery_id
from balanced
