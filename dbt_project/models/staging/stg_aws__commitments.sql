-- grain: one row per commitment and UTC day, per total and day, per coverage and day
with

commitments as (
    select * from {{ source('raw', 'aws_commitments') }}
)

select
    commitments.account_id,
    'aws' as provider,
    commitments.usage_date,
    commitments.delivery_id as x_delivery_id,
    commitments.record,
    commitments.commitment_id,
    commitments.commitment_type,
    commitments.owner_account_id as sub_account_id,
    commitments.service as service_name,
    commitments.region as region_id,
    commitments.plan,
    commitments.payment_option,
    commitments.instance_type,
    commitments.instance_count,
    commitments.state,
    commitments.term_start,
    commitments.term_end,
    commitments.currency as billing_currency,
    commitments.upfront_cost,
    commitments.hourly_cost,
    commitments.purchased_quantity,
    commitments.used_quantity,
    commitments.unused_quantity,
    commitments.quantity_unit,
    commitments.amortized_upfront_cost,
    commitments.amortized_recurring_cost,
    commitments.amortized_cost,
    commitments.unused_cost,
    commitments.on_demand_cost,
    commitments.net_savings,
    commitments.covered_quantity,
    commitments.total_quantity
from commitments
