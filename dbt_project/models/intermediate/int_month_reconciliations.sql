{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['billing_period', 'account_id']}],
        pre_hook="{{ open_reconciliations('month') }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per check, account, billing month or invoice, currency and cost type
-- depends_on: {{ ref('int_days_blocked') }}
with

months as (
    select distinct
        months.account_id,
        months.billing_period
    from {{ this.identifier }}__months as months
),

month_slices as (
    select partitions.*
    from months
    inner join {{ source('raw', 'partitions') }} as partitions
        on
            partitions.dataset = 'costs'
            and partitions.account_id = months.account_id
            and partitions.billing_period = months.billing_period
),

acceptances as (
    select * from {{ ref('int_acceptances') }}
),

controls as (
    {{ stated_totals('select coalesce(blocked_by, delivery_id) from month_slices') }}
),

stated_costs as (
    {{ stated_focus_costs() }}
),

month_costs as (
    select
        daily.account_id,
        daily.billing_period,
        daily.usage_date,
        daily.billing_currency as currency,
        bool_and(daily.is_invoiced) as is_invoiced,
        sum(daily.billed_cost) as billed_cost,
        sum(daily.effective_cost) as effective_cost,
        sum(daily.list_cost) as list_cost,
        sum(daily.contracted_cost) as contracted_cost
    from (select distinct account_id, usage_date, billing_period from month_slices) as slice
    cross join
        lateral (
            select * from {{ ref('fct_daily_costs') }} as every
            where
                every.account_id = slice.account_id -- noqa: RF03
                and every.usage_date = slice.usage_date
                and every.billing_period = slice.billing_period
            offset 0 -- noqa: AM09
        ) as daily
    group by 1, 2, 3, 4
),

rules as (
    select * from {{ ref('provider_rules') }}
),

span_comparisons as (
    {{ span_comparisons() }}
),

invoice_comparisons as (
    {{ invoice_comparisons() }}
)

select * from span_comparisons
union all
select * from invoice_comparisons
