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

changed_months as (
    select * from {{ this.identifier }}__months
    order by month, account_id
)

select summed.*
from changed_months
cross join lateral (
    select
        -- keys
        changed_months.month,
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
    from
        generate_series(
            changed_months.month,
            changed_months.month + interval '1 month' - interval '1 day',
            interval '1 day'
        ) as every_day
    -- day by day, each by its index: of a month, the days of one account are few of all rows
    cross join lateral (
        select * from {{ ref('fct_daily_costs') }} as every
        where
            every.account_id = changed_months.account_id
            and every.usage_date = every_day::date
        offset 0
    ) as costs
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    offset 0
) as summed
