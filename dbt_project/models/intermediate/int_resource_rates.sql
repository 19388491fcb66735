{{ config(materialized='table', post_hook='analyze {{ this }}') }}

-- grain: one row per account, cloud resource and billing currency: what it cost in the last whole weeks
with

rules as (
    select * from {{ ref('provider_rules') }}
),

-- ids as the inventory has them: a bill may name by ARN what the inventory names by its bare id
daily as (
    select
        costs.account_id,
        costs.sub_account_id,
        {{ billed_resource_id('costs.resource_id') }} as resource_id,
        costs.billing_currency,
        costs.usage_date,
        sum(costs.effective_cost) as effective_cost
    from {{ ref('fct_daily_resource_costs') }} as costs
    left join rules on rules.provider = costs.provider
    where
        costs.resource_id is not null
        and {{ in_settled_days('costs', var('saving_cost_days')) }}
    group by 1, 2, 3, 4, 5
),

-- a day without a charge of the resource is a day at no cost, if the account was charged at all
account_days as (
    select
        days.account_id,
        days.usage_date,
        row_number() over (partition by days.account_id order by days.usage_date desc)::integer as days
    from (select distinct daily.account_id, daily.usage_date from daily) as days
),

costs as (
    select
        daily.account_id,
        daily.resource_id,
        daily.billing_currency,
        max(daily.sub_account_id) as sub_account_id,
        sum(daily.effective_cost) as effective_cost,
        sum(daily.effective_cost * daily.effective_cost) as squares,
        min(daily.usage_date) as first_day
    from daily
    group by 1, 2, 3
),

counted as (
    select
        costs.*,
        account_days.days
    from costs
    inner join account_days
        on account_days.account_id = costs.account_id and account_days.usage_date = costs.first_day
),

charges as (
    select
        charges.account_id,
        {{ billed_resource_id('charges.resource_id') }} as resource_id,
        charges.billing_currency,
        sum(charges.effective_cost) as effective_cost,
        sum(charges.effective_cost) filter (
            where charges.sku_meter ~ '(BoxUsage|InstanceUsage|Multi-AZUsage|SpotUsage|DedicatedUsage)'
        ) as compute_cost,
        sum(charges.effective_cost) filter (where charges.commitment_discount_id is not null) as covered_cost
    from {{ ref('fct_charges') }} as charges
    left join rules on rules.provider = charges.provider
    where
        charges.resource_id is not null
        and charges.charge_category = 'Usage'
        and {{ in_settled_days('charges', var('saving_share_days')) }}
    group by 1, 2, 3
)

select
    counted.account_id,
    counted.sub_account_id,
    counted.resource_id,
    counted.billing_currency,
    counted.days,
    counted.effective_cost / counted.days as cost_per_day,
    sqrt(greatest(counted.squares / counted.days - (counted.effective_cost / counted.days) ^ 2, 0))
    / nullif(abs(counted.effective_cost / counted.days), 0) as variation,
    -- of nothing there is no share
    charges.compute_cost / nullif(charges.effective_cost, 0) as compute_share,
    least(greatest(coalesce(charges.covered_cost / nullif(charges.effective_cost, 0), 0), 0), 1) as covered_share,
    count(*) over (partition by counted.account_id, counted.resource_id)::integer as currencies
from counted
left join charges
    on
        charges.account_id = counted.account_id
        and charges.resource_id = counted.resource_id
        and charges.billing_currency = counted.billing_currency
