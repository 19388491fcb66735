{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['usage_date', 'account_id']}],
        pre_hook="{{ open_increment('fct_daily_sku_costs') }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per account, sub account, service, billing currency, pricing unit and UTC day
with

summed as (
    select
        -- keys
        costs.provider,
        costs.account_id,
        costs.sub_account_id,
        costs.service_name,
        costs.billing_currency,
        costs.usage_date,
        case
            when costs.charge_category = 'Usage' and costs.pricing_quantity is not null then costs.pricing_unit
        end as pricing_unit,

        -- quantity, in pricing_unit
        sum(costs.pricing_quantity) as pricing_quantity,

        -- money, in billing_currency
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost,
        coalesce(sum(costs.effective_cost) filter (where costs.charge_category = 'Usage'), 0) as usage_cost,
        sum(costs.charges)::bigint as charges
    from {{ ref('fct_daily_sku_costs') }} as costs
    group by 1, 2, 3, 4, 5, 6, 7
),

ranked as (
    select
        {{ service_key('summed') }} as series_key,
        summed.account_id,
        summed.usage_date,
        summed.pricing_unit,
        -- 1: what most of the day's usage cost is in
        row_number() over (
            partition by
                summed.account_id,
                summed.usage_date,
                summed.provider,
                summed.sub_account_id,
                summed.service_name,
                summed.billing_currency
            order by
                summed.pricing_unit is null asc,
                summed.usage_cost desc,
                summed.pricing_unit asc
        )::integer as unit_rank,
        case when summed.pricing_unit is not null then summed.pricing_quantity end as pricing_quantity,
        summed.effective_cost,
        summed.billed_cost,
        summed.usage_cost,
        summed.charges
    from summed
)

{{ by_changed_day('ranked') }}
