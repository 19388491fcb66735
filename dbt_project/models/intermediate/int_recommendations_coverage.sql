-- grain: one row per account, sub account, service of compute or databases and currency with on-demand
-- usage on every day of the last whole weeks
-- What no commitment covers although it is used every day, at the account's own ratio between what it
-- pays for committed and for on-demand usage of the service; without commitments that ratio is unknown.
with

rules as (
    select * from {{ ref('provider_rules') }}
),

daily as (
    select
        charges.provider,
        charges.account_id,
        charges.sub_account_id,
        charges.service_name,
        charges.billing_currency,
        charges.usage_date,
        coalesce(sum(charges.effective_cost) filter (where charges.pricing_category = 'Standard'), 0)
            as standard_cost,
        sum(charges.list_cost) filter (where charges.pricing_category = 'Standard') as standard_list_cost,
        sum(charges.effective_cost) filter (where charges.pricing_category = 'Committed') as committed_cost,
        sum(charges.list_cost) filter (where charges.pricing_category = 'Committed') as committed_list_cost
    from {{ ref('fct_charges') }} as charges
    left join rules on rules.provider = charges.provider
    where
        charges.charge_category = 'Usage'
        and charges.service_category in ('Compute', 'Databases')
        and charges.pricing_category in ('Standard', 'Committed')
        -- those who sell reservations and plans. AWS books disks and traffic under the service of the
        -- machines; no commitment covers them
        and charges.provider in ('aws', 'azure')
        and (
            charges.provider <> 'aws'
            or coalesce(charges.sku_meter, charges.charge_description)
            ~ '(BoxUsage|InstanceUsage|Multi-AZUsage|Fargate|Lambda-GB-Second)'
        )
        and coalesce(charges.commitment_discount_status, 'Used') = 'Used'
        and {{ in_settled_days('charges', var('saving_cost_days')) }}
    group by 1, 2, 3, 4, 5, 6
),

account_days as (
    select
        daily.account_id,
        count(distinct daily.usage_date)::integer as days
    from daily
    group by 1
),

ratios as (
    select
        daily.account_id,
        daily.service_name,
        daily.billing_currency,
        sum(daily.committed_cost) / nullif(sum(daily.committed_list_cost), 0)
        / nullif(sum(daily.standard_cost) / nullif(sum(daily.standard_list_cost), 0), 0) as paid_share
    from daily
    group by 1, 2, 3
),

used as (
    select
        daily.provider,
        daily.account_id,
        daily.sub_account_id,
        daily.service_name,
        daily.billing_currency,
        count(*)::integer as days,
        min(daily.standard_cost) as least_cost,
        avg(daily.standard_cost) as mean_cost,
        sum(daily.committed_cost) as committed_cost
    from daily
    group by 1, 2, 3, 4, 5
)

select
    'uncovered_usage' as kind,
    'commit_to_steady_usage' as action,
    used.provider,
    used.account_id,
    used.sub_account_id,
    used.service_name,
    concat_ws('/', used.sub_account_id, used.service_name) as resource_id,
    used.service_name as resource_name,
    'service' as resource_type,
    used.least_cost * 100 > used.mean_cost * {{ threshold('steady_percent') }} as is_found,
    jsonb_strip_nulls(jsonb_build_object(
        'days_observed', used.days,
        'least_daily_cost', trim_scale(round(used.least_cost, 6)),
        'mean_daily_cost', trim_scale(round(used.mean_cost, 6)),
        'covered_cost', trim_scale(used.committed_cost),
        'committed_price_of_on_demand', round(ratios.paid_share, 4)
    )) as evidence,
    -- a list price that is not told equals the cost: that tells no discount
    case when ratios.paid_share < 1 then 1 - ratios.paid_share end as saved_share,
    'all' as saved_part,
    case when ratios.paid_share < 1 then 'medium' else 'low' end as certainty,
    'Only what stays for the whole term pays off: first follow the advice on what is idle or oversized. '
    || 'Its saving is not in the total.' as caveat,
    'service_cost' as own_source,
    used.least_cost as own_cost_per_day,
    used.days as own_days,
    used.billing_currency as own_currency
from used
inner join account_days on account_days.account_id = used.account_id
left join ratios
    on
        ratios.account_id = used.account_id
        and ratios.service_name = used.service_name
        and ratios.billing_currency = used.billing_currency
where used.days = account_days.days and used.days >= {{ threshold('observed_days') }}
