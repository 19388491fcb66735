{{
    config(
        materialized='table',
        post_hook=["analyze {{ this }}", "{{ note_recommendations() }}"]
    )
}}

-- grain: one row per resource or commitment that was judged today, and kind of finding
-- All money is reckoned here: what the thing costs a month, times the part that would be saved, less
-- what a commitment pays for and is paid anyway. What it costs is its own cost on the bill; where the
-- bill names no resources, its size at the account's own price of the usage type; else unknown.
{%- set kinds = [
    ref('int_recommendations_unattached'),
    ref('int_recommendations_instances'),
    ref('int_recommendations_databases'),
    ref('int_recommendations_generations'),
    ref('int_recommendations_snapshots'),
    ref('int_recommendations_warehouses'),
    ref('int_recommendations_commitments'),
    ref('int_recommendations_coverage'),
] %}
{%- set columns = {
    'kind': 'text',
    'action': 'text',
    'provider': 'text',
    'account_id': 'text',
    'sub_account_id': 'text',
    'region_id': 'text',
    'service_name': 'text',
    'resource_id': 'text',
    'resource_name': 'text',
    'resource_type': 'text',
    'is_found': 'boolean',
    'evidence': 'jsonb',
    'saved_share': 'numeric',
    'saved_part': 'text',
    'certainty': 'text',
    'caveat': 'text',
    'own_source': 'text',
    'own_cost_per_day': 'numeric',
    'own_days': 'integer',
    'own_currency': 'text',
} %}
with

found as (
    {{ union_of(kinds, columns) }}
),

described as (
    select
        found.kind,
        found.action,
        coalesce(found.provider, resources.provider) as provider,
        found.account_id,
        coalesce(found.sub_account_id, resources.sub_account_id) as sub_account_id,
        coalesce(found.region_id, resources.region_id) as region_id,
        found.service_name,
        found.resource_id,
        coalesce(found.resource_name, resources.resource_name, resources.tags ->> 'Name') as resource_name,
        coalesce(found.resource_type, resources.resource_type) as resource_type,
        coalesce(found.is_found, false) as is_found,
        found.evidence,
        found.saved_share,
        found.saved_part,
        found.certainty,
        found.caveat,
        found.own_source,
        found.own_cost_per_day,
        found.own_days,
        found.own_currency,
        {{ usage_type_of('resources') }} as usage_type,
        -- hours of a month of 30 days, or GiB
        case when resources.resource_type = 'ec2:volume' then resources.size_gb else 720 end as monthly_quantity
    from found
    left join {{ ref('dim_resources') }} as resources
        on resources.account_id = found.account_id and resources.resource_id = found.resource_id
),

-- a resource is on the bill of its own account, or on that of a payer above
billed as (
    select distinct on (described.kind, described.account_id, described.resource_id)
        described.kind,
        described.account_id,
        described.resource_id,
        rates.days,
        rates.cost_per_day,
        rates.variation,
        rates.compute_share,
        rates.covered_share,
        case when rates.currencies = 1 then rates.billing_currency end as billing_currency
    from described
    inner join {{ ref('int_resource_rates') }} as rates
        on
            rates.resource_id = described.resource_id
            and (
                rates.account_id = described.account_id
                or rates.sub_account_id = described.sub_account_id
            )
    where described.own_source is null
    order by
        described.kind asc,
        described.account_id asc,
        described.resource_id asc,
        (rates.account_id = described.account_id) desc,
        rates.account_id asc,
        rates.billing_currency asc
),

priced as (
    select
        described.*,
        billed.variation,
        billed.compute_share,
        billed.covered_share,
        case
            when described.own_source is not null then described.own_source
            when billed.billing_currency is not null then 'resource_cost'
            when billed.resource_id is null and prices.unit_price is not null then 'usage_rate'
        end as cost_source,
        coalesce(described.own_currency, billed.billing_currency, prices.billing_currency) as billing_currency,
        coalesce(described.own_days, billed.days, prices.days) as cost_days,
        case
            when described.own_source is not null then described.own_cost_per_day * 30
            when billed.billing_currency is not null then billed.cost_per_day * 30
            when billed.resource_id is null then prices.unit_price * described.monthly_quantity
        end as monthly_cost
    from described
    left join billed
        on
            billed.kind = described.kind
            and billed.account_id = described.account_id
            and billed.resource_id = described.resource_id
    left join {{ ref('int_usage_rates') }} as prices
        on
            prices.account_id = described.account_id
            and prices.sub_account_id = described.sub_account_id
            and prices.region_id = described.region_id
            and prices.usage_type = described.usage_type
),

reckoned as (
    select
        priced.*,
        priced.monthly_cost
        * priced.saved_share
        * case
            when priced.saved_part = 'all' or priced.cost_source = 'usage_rate' then 1
            else priced.compute_share
        end
        * (1 - coalesce(priced.covered_share, 0)) as monthly_saving
    from priced
)

-- what is charged in two currencies, as after a change of contract, is told of in one and added in none
select distinct on (recommendation_id)
    {{ recommendation_id('reckoned') }} as recommendation_id,
    reckoned.kind,
    reckoned.provider,
    reckoned.account_id,
    reckoned.sub_account_id,
    reckoned.region_id,
    reckoned.service_name,
    reckoned.resource_id,
    reckoned.resource_name,
    reckoned.resource_type,
    reckoned.action,
    -- what is known to cost nothing saves nothing
    reckoned.is_found and coalesce(reckoned.monthly_saving, 1) > 0 as is_found,
    reckoned.evidence
    || jsonb_strip_nulls(jsonb_build_object(
        'caveat', reckoned.caveat,
        'cost_days', reckoned.cost_days,
        'usage_type', case when reckoned.cost_source = 'usage_rate' then reckoned.usage_type end,
        'saved_share', round(reckoned.saved_share, 4),
        'compute_share', case when reckoned.saved_part = 'compute' then round(reckoned.compute_share, 4) end,
        'covered_share', case when reckoned.covered_share > 0 then round(reckoned.covered_share, 4) end
    )) as evidence,
    round(reckoned.monthly_cost, 6) as monthly_cost,
    round(reckoned.monthly_saving, 6) as monthly_saving,
    case when reckoned.monthly_cost is not null then reckoned.billing_currency end as billing_currency,
    case
        when reckoned.monthly_saving is not null then reckoned.cost_source
        when reckoned.monthly_cost is null then 'unknown_cost'
        else 'unknown_share'
    end as saving_source,
    case
        when reckoned.certainty = 'low' then 'low'
        when reckoned.monthly_saving is not null and reckoned.cost_days < {{ threshold('young_days') }} then 'low'
        when reckoned.certainty = 'medium' then 'medium'
        when reckoned.monthly_saving is null or reckoned.cost_source = 'usage_rate' then 'medium'
        when reckoned.cost_days < {{ threshold('observed_days') }} or reckoned.variation > 0.5 then 'medium'
        else 'high'
    end as confidence
from reckoned
order by recommendation_id asc, monthly_saving desc nulls last, billing_currency asc
