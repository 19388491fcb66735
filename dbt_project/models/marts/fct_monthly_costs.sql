{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['month', 'account_id']}],
        pre_hook=["{{ open_increment('fct_daily_costs', keeps_rows=true) }}", "{{ open_months() }}"],
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per provider, account, sub account, service, region, charge category, billing
-- currency, whether it is final, and month of usage
with

-- of a month, the days of one account are few of all rows: each is found by its index
days as (
    select
        changed.account_id,
        every_day::date as usage_date
    from {{ this.identifier }}__months as changed
    cross join
        lateral
        generate_series(
            changed.month,
            changed.month + interval '1 month' - interval '1 day',
            interval '1 day'
        ) as every_day
),

costs as (
    {{ rows_of_days(ref('fct_daily_costs'), 'days') }}
)

select
    -- keys
    date_trunc('month', costs.usage_date)::date as month,
    costs.provider,
    costs.account_id,
    costs.sub_account_id,
    costs.service_category,
    costs.service_name,
    costs.region_id,
    costs.charge_category,
    costs.billing_currency,
    costs.is_final,

    -- money, in billing_currency
    sum(costs.list_cost) as list_cost,
    sum(costs.contracted_cost) as contracted_cost,
    sum(costs.effective_cost) as effective_cost,
    sum(costs.billed_cost) as billed_cost
from costs
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
