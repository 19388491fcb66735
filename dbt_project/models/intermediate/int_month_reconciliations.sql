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

controls_of_focus_costs as (
    {{ controls_of_focus_costs() }}
),

controls as (
    select
        deliveries.id as delivery_id,
        deliveries.raw_table,
        deliveries.billing_period,
        control.value ->> 'currency' as currency,
        control.value ->> 'cost_type' as control_type,
        (control.value ->> 'first_day')::date as first_day,
        (control.value ->> 'last_day')::date as last_day,
        (control.value ->> 'loaded')::numeric as loaded,
        (control.value ->> 'stated')::numeric as stated,
        (control.value ->> 'tolerance')::numeric as tolerance,
        control.value ->> 'source' as control_source
    from {{ source('raw', 'deliveries') }} as deliveries
    cross join lateral jsonb_array_elements(deliveries.controls) as control (value)
    where
        deliveries.id in (select coalesce(blocked_by, delivery_id) from month_slices)
),

stated_costs as (
    select
        controls.*,
        known.cost_type
    from controls
    inner join controls_of_focus_costs as known
        on known.raw_table = controls.raw_table and known.control_type = controls.control_type
),

-- totals of several days hold where no other delivery has spoken of any of them since
span_controls as (
    select
        months.account_id,
        months.billing_period as month,
        stated.*,
        validity.is_held,
        validity.is_accepted
    from months
    inner join lateral (
        select distinct coalesce(month_slices.blocked_by, month_slices.delivery_id) as id
        from month_slices
        where
            month_slices.account_id = months.account_id
            and month_slices.billing_period = months.billing_period
    ) as spoken on true
    inner join (
        select controls.*, null::text as focus_cost from controls
        union all
        select
            stated_costs.delivery_id,
            stated_costs.raw_table,
            stated_costs.billing_period,
            stated_costs.currency,
            stated_costs.control_type,
            stated_costs.first_day,
            stated_costs.last_day,
            stated_costs.loaded,
            stated_costs.stated,
            stated_costs.tolerance,
            stated_costs.control_source,
            stated_costs.cost_type as focus_cost
        from stated_costs
    ) as stated
        on
            stated.delivery_id = spoken.id
            and stated.first_day < stated.last_day
            and coalesce(stated.billing_period, date_trunc('month', stated.first_day)) = months.billing_period
    inner join lateral (
        select
            coalesce(bool_or(month_slices.blocked_by = stated.delivery_id), false) as is_held,
            bool_or(acceptances.account_id is not null) as is_accepted,
            bool_and(
                month_slices.seen_by >= stated.delivery_id
                and greatest(month_slices.delivery_id, month_slices.blocked_by) <= stated.delivery_id
            ) as is_of_this_delivery
        from month_slices
        left join acceptances
            on
                acceptances.account_id = month_slices.account_id
                and acceptances.usage_date = month_slices.usage_date
                and acceptances.billing_period = month_slices.billing_period
        where
            month_slices.account_id = months.account_id
            and month_slices.billing_period = months.billing_period
            and month_slices.usage_date between stated.first_day and stated.last_day
    ) as validity on validity.is_of_this_delivery
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

span_totals as (
    select
        span_controls.account_id,
        span_controls.month as billing_period,
        span_controls.first_day,
        span_controls.last_day,
        'control_total' as check_name,
        span_controls.currency,
        span_controls.control_type as cost_type,
        span_controls.loaded as left_amount,
        span_controls.stated as right_amount,
        span_controls.tolerance,
        span_controls.delivery_id,
        span_controls.control_source,
        span_controls.is_accepted
    from span_controls
    where span_controls.focus_cost is null
    union all
    select
        span_controls.account_id,
        span_controls.month as billing_period,
        span_controls.first_day,
        span_controls.last_day,
        'daily_vs_control' as check_name,
        span_controls.currency,
        span_controls.focus_cost as cost_type,
        summed.amount as left_amount,
        span_controls.stated as right_amount,
        span_controls.tolerance,
        span_controls.delivery_id,
        span_controls.control_source,
        span_controls.is_accepted
    from span_controls
    cross join
        lateral (
            select
                sum(
                    case span_controls.focus_cost
                        {% for cost in focus_costs() %}
                        when '{{ cost }}' then month_costs.{{ cost }}
                        {% endfor %}
                    end
                ) as amount
            from month_costs
            where
                month_costs.account_id = span_controls.account_id
                and month_costs.billing_period = span_controls.month
                and month_costs.currency = span_controls.currency
                and month_costs.usage_date between span_controls.first_day and span_controls.last_day
        ) as summed
    where span_controls.focus_cost is not null and not span_controls.is_held
),

invoice_months as (
    select
        month_costs.account_id,
        month_costs.billing_period,
        month_costs.currency,
        min(month_costs.usage_date) as first_day,
        max(month_costs.usage_date) as last_day,
        bool_and(month_costs.is_invoiced) as is_invoiced,
        sum(month_costs.billed_cost) as billed_cost
    from month_costs
    group by 1, 2, 3
),

invoices as (
    select
        invoice_months.account_id,
        invoice_months.billing_period,
        charges.invoice_id,
        invoice_months.currency,
        min(charges.usage_date) as first_day,
        max(charges.usage_date) as last_day,
        sum(charges.billed_cost) as billed_cost
    from invoice_months
    inner join (select distinct account_id, usage_date, billing_period from month_slices) as slice
        on
            slice.account_id = invoice_months.account_id
            and slice.billing_period = invoice_months.billing_period
    cross join
        lateral (
            select * from {{ ref('fct_charges') }} as every
            where
                every.account_id = slice.account_id -- noqa: RF03
                and every.usage_date = slice.usage_date
                and every.billing_period = slice.billing_period
            offset 0 -- noqa: AM09
        ) as charges
    where invoice_months.is_invoiced and charges.billing_currency = invoice_months.currency
    group by 1, 2, 3, 4
),

rules as (
    select * from {{ ref('provider_rules') }}
),

compared as (
    select
        span_totals.check_name,
        span_totals.account_id,
        'month' as grain,
        null::date as usage_date,
        span_totals.billing_period,
        span_totals.first_day,
        span_totals.last_day,
        null::text as invoice_id,
        span_totals.currency,
        span_totals.cost_type,
        span_totals.left_amount,
        span_totals.right_amount,
        null::numeric as excluded_amount,
        span_totals.tolerance,
        null::text as preset,
        null::text as cause,
        span_totals.delivery_id,
        span_totals.control_source,
        coalesce(span_totals.is_accepted, false) as is_accepted
    from span_totals
    union all
    select
        'invoice' as check_name,
        invoices.account_id,
        'invoice' as grain,
        null::date as usage_date,
        invoices.billing_period,
        invoices.first_day,
        invoices.last_day,
        invoices.invoice_id,
        invoices.currency,
        'billed_cost' as cost_type,
        invoices.billed_cost as left_amount,
        null::numeric as right_amount,
        null::numeric as excluded_amount,
        0::numeric as tolerance,
        'no control total' as preset,
        'the invoice itself has not been entered' as cause,
        null::bigint as delivery_id,
        null::text as control_source,
        false as is_accepted
    from invoices
    union all
    select
        'invoice' as check_name,
        invoice_months.account_id,
        'month' as grain,
        null::date as usage_date,
        invoice_months.billing_period,
        invoice_months.first_day,
        invoice_months.last_day,
        null::text as invoice_id,
        invoice_months.currency,
        'billed_cost' as cost_type,
        invoice_months.billed_cost as left_amount,
        null::numeric as right_amount,
        null::numeric as excluded_amount,
        0::numeric as tolerance,
        case
            when
                (invoice_months.billing_period + interval '1 month')::date + coalesce(rules.closes_on, 15) - 1
                > '{{ var("today") }}'::date
                then 'not comparable yet'
            else 'no control total'
        end as preset,
        'charges without an invoice id' as cause,
        null::bigint as delivery_id,
        null::text as control_source,
        false as is_accepted
    from invoice_months
    left join (
        select
            month_slices.account_id,
            max(month_slices.provider) as provider
        from month_slices
        group by 1
    ) as owners on owners.account_id = invoice_months.account_id
    left join rules on rules.provider = owners.provider
    where not invoice_months.is_invoiced
)

select * from compared
