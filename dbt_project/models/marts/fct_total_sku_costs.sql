{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['grain', 'period_start']}],
        pre_hook=["{{ open_increment('fct_sku_costs', keeps_rows=true) }}", "{{ open_totals() }}"],
        post_hook=["{{ close_increment() }}", "{{ create_explain_function() }}"]
    )
}}

-- grain: one row per grain (day, week, month), provider, service, charge category, article, pricing
-- unit, use of a commitment, billing currency and period. Of all accounts, so for people who see
-- everything: it has no column that could scope it. Each grain alone is the whole bill: never sum
-- across them.
with

summed as (
    select
        costs.grain,
        costs.period_start,
        costs.provider,
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
    from {{ ref('fct_sku_costs') }} as costs
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
)

{{ by_changed_period('summed') }}
