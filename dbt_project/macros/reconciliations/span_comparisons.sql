{#
    The provider's totals of several days, of the CTEs `months`, `month_slices`, `month_costs`,
    `controls`, `stated_costs` and `acceptances`: beside the rows of their delivery, and beside
    fct_daily_costs.
#}
{% macro span_comparisons() %}
    with
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
    )

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
{% endmacro %}
