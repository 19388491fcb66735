{#
    Invoices, and months whose charges name none, of the CTEs `month_slices`, `month_costs` and `rules`:
    nobody states what they should be, so there is a left side only.
#}
{% macro invoice_comparisons() %}
    with
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
    )

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
{% endmacro %}
