{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['grain', 'period_start', 'account_id']}],
        pre_hook=[
            "{{ open_increment('fct_daily_sku_costs', keeps_rows=true) }}",
            "{{ open_rollup() }}"
        ],
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per grain (day, week, month), provider, account, service, charge category, article,
-- pricing unit, use of a commitment, billing currency and period. Each grain alone is the whole bill:
-- never sum across them.
with

summed as (
    select
        costs.provider,
        costs.account_id,
        costs.usage_date,
        costs.service_category,
        costs.service_name,
        costs.charge_category,
        costs.sku,
        costs.pricing_unit,
        costs.commitment_use,
        costs.billing_currency,
        -- of all charges or of none, as in the rows that it is summed from
        case when count(*) = count(costs.pricing_quantity) then sum(costs.pricing_quantity) end
            as pricing_quantity,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost
    from {{ ref('fct_daily_sku_costs') }} as costs
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
),

{{ sums_by_period(
    keys=['provider', 'service_category', 'service_name', 'charge_category', 'sku', 'pricing_unit', 'commitment_use', 'billing_currency'],
    measures=['pricing_quantity', 'list_cost', 'contracted_cost', 'effective_cost', 'billed_cost']
) }}
