-- grain: one row per day, project, line item and currency of OpenAI's costs
-- OpenAI tells one cost, neither list nor contracted prices: those are modelled and say so. Its line
-- items are words, '<tier> | <model> <modality>, <kind>, ...': a kind of token makes them readable.
with

costs as (
    select * from {{ source('raw', 'openai_costs') }}
),

read_line_items as (
    select
        costs.*,
        substring(costs.line_item from '^([a-z ]+) \| ') as service_tier,
        regexp_replace(costs.line_item, '^[a-z ]+ \| |,.*$', '', 'g') as what,
        substring(costs.line_item from ', (cached input|input|output)(?:,|$)') as kind
    from costs
),

named_tokens as (
    select
        read_line_items.*,
        case when read_line_items.kind is not null then split_part(read_line_items.what, ' ', 1) end as model,
        replace(read_line_items.kind, ' ', '_')
        || coalesce('_' || nullif(substring(read_line_items.what from ' (\w+)$'), 'text'), '') as token_type
    from read_line_items
),

named_units as (
    select
        named_tokens.*,
        case
            when named_tokens.quantity_unit = 'tokens' then 'Tokens'
            when named_tokens.quantity_unit = '1000_tokens' then '1000 Tokens'
            when named_tokens.quantity_unit = 'duration_seconds' then 'Seconds'
            when named_tokens.quantity_unit = 'duration_minutes' then 'Minutes'
            when named_tokens.quantity_unit = 'duration_hours' then 'Hours'
            when named_tokens.quantity_unit = 'gibibyte_hours' then 'GiB-Hours'
            when named_tokens.quantity_unit is not null then initcap(named_tokens.quantity_unit)
            -- before the API told units, quantities of kinds of tokens were tokens
            when named_tokens.kind is not null then 'Tokens'
        end as known_unit
    from named_tokens
),

charges as (
    select
        named_units.*,
        case when named_units.known_unit is not null then named_units.quantity end as unit_quantity,
        case when named_units.quantity is not null then named_units.known_unit end as unit
    from named_units
)

select
    charges.account_id,
    'openai' as provider,
    charges.usage_date,
    charges.billing_period,
    charges.delivery_id as x_delivery_id,
    charges.row_number as x_row_number,
    null::boolean as x_is_final,
    'modelled: billed_cost' as x_list_cost_source,
    'modelled: billed_cost' as x_contracted_cost_source,
    'modelled: billed_cost' as x_effective_cost_source,
    null::text as availability_zone,
    charges.amount as billed_cost,
    coalesce(charges.organization_id, charges.account_id) as billing_account_id,
    null::text as billing_account_name,
    'Organization' as billing_account_type,
    charges.currency as billing_currency,
    (charges.billing_period + interval '1 month') at time zone 'UTC' as billing_period_end,
    charges.billing_period::timestamp at time zone 'UTC' as billing_period_start,
    null::text as capacity_reservation_id,
    null::text as capacity_reservation_status,
    'Usage' as charge_category,
    null::text as charge_class,
    charges.line_item as charge_description,
    'Usage-Based' as charge_frequency,
    (charges.usage_date + interval '1 day') at time zone 'UTC' as charge_period_end,
    charges.usage_date::timestamp at time zone 'UTC' as charge_period_start,
    null::text as commitment_discount_category,
    null::text as commitment_discount_id,
    null::text as commitment_discount_name,
    null::numeric as commitment_discount_quantity,
    null::text as commitment_discount_status,
    null::text as commitment_discount_type,
    null::text as commitment_discount_unit,
    charges.unit_quantity as consumed_quantity,
    charges.unit as consumed_unit,
    charges.amount as contracted_cost,
    null::numeric as contracted_unit_price,
    charges.amount as effective_cost,
    null::text as invoice_id,
    'OpenAI' as invoice_issuer_name,
    charges.amount as list_cost,
    null::numeric as list_unit_price,
    'Standard' as pricing_category,
    charges.currency as pricing_currency,
    null::numeric as pricing_currency_contracted_unit_price,
    charges.amount as pricing_currency_effective_cost,
    null::numeric as pricing_currency_list_unit_price,
    charges.unit_quantity as pricing_quantity,
    charges.unit as pricing_unit,
    'OpenAI' as provider_name,
    'OpenAI' as publisher_name,
    null::text as region_id,
    null::text as region_name,
    null::text as resource_id,
    null::text as resource_name,
    null::text as resource_type,
    'AI and Machine Learning' as service_category,
    'OpenAI API' as service_name,
    'Generative AI' as service_subcategory,
    charges.line_item as sku_id,
    coalesce(initcap(replace(charges.token_type, '_', ' ')) || ' Tokens', charges.line_item) as sku_meter,
    case
        when charges.token_type is not null
            then
                jsonb_strip_nulls(
                    jsonb_build_object(
                        'x_Model', charges.model,
                        'x_TokenType', charges.token_type,
                        'x_ServiceTier', charges.service_tier
                    )
                )
    end as sku_price_details,
    charges.line_item as sku_price_id,
    charges.project_id as sub_account_id,
    charges.project_name as sub_account_name,
    case when charges.project_id is not null then 'Project' end as sub_account_type,
    null::jsonb as tags
from charges
