-- grain: one row per day, workspace and description of Anthropic's cost report
-- The report tells one cost and no quantity: list, contracted and effective costs are modelled and
-- say so, tokens stand in the usage report (fct_llm_usage brings both together).
with

costs as (
    select * from {{ source('raw', 'anthropic_costs') }}
),

charges as (
    select
        costs.*,
        case costs.token_type
            when 'uncached_input_tokens' then 'input'
            when 'cache_read_input_tokens' then 'cached_input'
            when 'cache_creation.ephemeral_5m_input_tokens' then 'cache_write_5m'
            when 'cache_creation.ephemeral_1h_input_tokens' then 'cache_write_1h'
            when 'output_tokens' then 'output'
            else costs.token_type
        end as known_token_type
    from costs
)

select
    charges.account_id,
    'anthropic' as provider,
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
    charges.organization_name as billing_account_name,
    'Organization' as billing_account_type,
    charges.currency as billing_currency,
    (charges.billing_period + interval '1 month') at time zone 'UTC' as billing_period_end,
    charges.billing_period::timestamp at time zone 'UTC' as billing_period_start,
    null::text as capacity_reservation_id,
    null::text as capacity_reservation_status,
    'Usage' as charge_category,
    null::text as charge_class,
    charges.description as charge_description,
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
    null::numeric as consumed_quantity,
    null::text as consumed_unit,
    charges.amount as contracted_cost,
    null::numeric as contracted_unit_price,
    charges.amount as effective_cost,
    null::text as invoice_id,
    'Anthropic' as invoice_issuer_name,
    charges.amount as list_cost,
    null::numeric as list_unit_price,
    'Standard' as pricing_category,
    charges.currency as pricing_currency,
    null::numeric as pricing_currency_contracted_unit_price,
    charges.amount as pricing_currency_effective_cost,
    null::numeric as pricing_currency_list_unit_price,
    null::numeric as pricing_quantity,
    null::text as pricing_unit,
    'Anthropic' as provider_name,
    'Anthropic' as publisher_name,
    null::text as region_id,
    null::text as region_name,
    null::text as resource_id,
    null::text as resource_name,
    null::text as resource_type,
    'AI and Machine Learning' as service_category,
    'Claude API' as service_name,
    'Generative AI' as service_subcategory,
    charges.description as sku_id,
    case
        when charges.description is not null
            then coalesce(initcap(replace(charges.known_token_type, '_', ' ')) || ' Tokens', charges.description)
    end as sku_meter,
    case
        when charges.description is not null
            then
                nullif(
                    jsonb_strip_nulls(
                        jsonb_build_object(
                            'x_Model', charges.model,
                            'x_TokenType', charges.known_token_type,
                            'x_ServiceTier', charges.service_tier,
                            'x_ContextWindow', charges.context_window
                        )
                    ),
                    '{}'::jsonb
                )
    end as sku_price_details,
    charges.description as sku_price_id,
    charges.workspace_id as sub_account_id,
    charges.workspace_name as sub_account_name,
    case when charges.workspace_id is not null then 'Workspace' end as sub_account_type,
    null::jsonb as tags
from charges
