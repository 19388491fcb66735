-- grain: one row per account, commitment and currency with a cost in the last whole weeks
with

rules as (
    select * from {{ ref('provider_rules') }}
),

billed as (
    select
        usage.provider,
        usage.account_id,
        usage.commitment_discount_id as commitment_id,
        null::text as sub_account_id,
        null::text as region_id,
        usage.commitment_discount_name as commitment_name,
        usage.commitment_discount_type as commitment_type,
        null::date as ends_on,
        usage.billing_currency,
        usage.usage_date,
        usage.used_cost,
        usage.unused_cost
    from {{ ref('fct_commitment_usage') }} as usage
),

-- what a provider says of commitments whose bill is not here
told as (
    select
        commitments.provider,
        commitments.account_id,
        commitments.commitment_id,
        commitments.sub_account_id,
        commitments.region_id,
        commitments.instance_type as commitment_name,
        commitments.commitment_type,
        (commitments.term_end at time zone 'UTC')::date as ends_on,
        commitments.billing_currency,
        commitments.usage_date,
        commitments.used_cost,
        commitments.unused_cost
    from {{ ref('fct_provider_commitments') }} as commitments
    where
        commitments.unused_cost is not null
        and commitments.billing_currency is not null
        and commitments.commitment_id not in (select billed.commitment_id from billed)
),

used as (
    select
        commitments.provider,
        commitments.account_id,
        commitments.commitment_id,
        commitments.billing_currency,
        max(commitments.sub_account_id) as sub_account_id,
        max(commitments.region_id) as region_id,
        max(commitments.commitment_name) as commitment_name,
        max(commitments.commitment_type) as commitment_type,
        max(commitments.ends_on) as ends_on,
        count(*)::integer as days,
        max(commitments.usage_date) as last_day,
        sum(commitments.used_cost) as used_cost,
        sum(commitments.unused_cost) as unused_cost
    from (select * from billed union all select * from told) as commitments
    left join rules on rules.provider = commitments.provider
    where {{ in_settled_days('commitments', var('saving_cost_days')) }}
    group by 1, 2, 3, 4
),

judged as (
    select
        used.*,
        used.unused_cost / nullif(used.used_cost + used.unused_cost, 0) as unused_share
    from used
    -- a term that has just begun or ended tells little
    where used.days >= {{ threshold('observed_days') }}
)

select
    'unused_commitment' as kind,
    'use_or_exchange_commitment' as action,
    judged.provider,
    judged.account_id,
    judged.sub_account_id,
    judged.region_id,
    judged.commitment_id as resource_id,
    judged.commitment_name as resource_name,
    judged.commitment_type as resource_type,
    judged.unused_share * 100 > {{ threshold('unused_commitment_percent') }}
    and coalesce(judged.ends_on > '{{ var("today") }}'::date, true) as is_found,
    jsonb_strip_nulls(jsonb_build_object(
        'days_observed', judged.days,
        'last_day', judged.last_day,
        'used_cost', judged.used_cost,
        'unused_cost', judged.unused_cost,
        'unused_share', round(judged.unused_share, 4),
        'ends_on', judged.ends_on
    )) as evidence,
    judged.unused_share as saved_share,
    'all' as saved_part,
    'high' as certainty,
    'It is paid until its term ends: the saving comes by moving on-demand use under it, or by exchange or sale.'
        as caveat,
    'commitment_cost' as own_source,
    (judged.used_cost + judged.unused_cost) / judged.days as own_cost_per_day,
    judged.days as own_days,
    judged.billing_currency as own_currency
from judged
