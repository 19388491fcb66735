{#
    The provider's totals of single days, of the CTEs `slices`, `controls`, `stated_costs` and `rules`:
    beside the rows of their delivery, and beside fct_daily_costs.
#}
{% macro control_comparisons() %}
    with
    stated_by_slice as (
        select
            slices.account_id,
            slices.usage_date,
            slices.billing_period,
            slices.delivery_id,
            stated_costs.currency,
            stated_costs.cost_type,
            stated_costs.stated,
            stated_costs.tolerance,
            stated_costs.control_source
        from slices
        inner join stated_costs
            on
                stated_costs.delivery_id = slices.delivery_id
                and stated_costs.first_day = slices.usage_date
                and stated_costs.last_day = slices.usage_date
        where not slices.is_blocked_later
    ),

    daily_by_slice as (
        select
            daily.account_id,
            daily.usage_date,
            daily.billing_period,
            daily.delivery_id,
            daily.billing_currency as currency,
            each.cost_type,
            sum(each.amount) as amount
        from ({{ of_changed_days(ref('fct_daily_costs')) }}) as daily
        inner join days on days.account_id = daily.account_id and days.usage_date = daily.usage_date
        cross join
            lateral (
                values
                {% for cost in focus_costs() %}
                ('{{ cost }}', daily.{{ cost }}){{ ',' if not loop.last }}
                {% endfor %}
            ) as each (cost_type, amount)
        group by 1, 2, 3, 4, 5, 6
    ),

    daily_totals as (
        select
            account_id,
            usage_date,
            billing_period,
            delivery_id,
            currency,
            cost_type,
            daily.amount as left_amount,
            stated.stated as right_amount,
            coalesce(stated.tolerance, 0) as tolerance,
            stated.control_source
        from daily_by_slice as daily
        full join stated_by_slice as stated
            using (account_id, usage_date, billing_period, delivery_id, currency, cost_type)
    ),

    -- how far the daily totals of a delivery go, and where it states one for a span of days instead
    control_spans as (
        select
            stated_costs.delivery_id,
            stated_costs.cost_type,
            max(stated_costs.last_day) filter (where stated_costs.first_day = stated_costs.last_day)
                as daily_through,
            min(stated_costs.first_day) filter (where stated_costs.first_day < stated_costs.last_day)
                as span_first,
            max(stated_costs.last_day) filter (where stated_costs.first_day < stated_costs.last_day)
                as span_last
        from stated_costs
        group by 1, 2
    )

    select
        'control_total' as check_name,
        slices.account_id,
        slices.usage_date,
        slices.billing_period,
        controls.currency,
        controls.control_type as cost_type,
        controls.loaded as left_amount,
        controls.stated as right_amount,
        null::numeric as excluded_amount,
        controls.tolerance,
        null::text as preset,
        null::text as cause,
        controls.delivery_id,
        controls.control_source
    from slices
    inner join controls
        on
            controls.delivery_id = slices.spoken_by
            and controls.first_day = slices.usage_date
            and controls.last_day = slices.usage_date
    union all
    select
        'daily_vs_control' as check_name,
        daily_totals.account_id,
        daily_totals.usage_date,
        daily_totals.billing_period,
        daily_totals.currency,
        daily_totals.cost_type,
        daily_totals.left_amount,
        daily_totals.right_amount,
        null::numeric as excluded_amount,
        daily_totals.tolerance,
        case
            when daily_totals.right_amount is not null then null
            when
                daily_totals.usage_date > control_spans.daily_through
                and daily_totals.usage_date + coalesce(rules.settle_days, 3) > '{{ var("today") }}'::date
                then 'not comparable yet'
            else 'no control total'
        end as preset,
        null::text as cause,
        daily_totals.delivery_id,
        daily_totals.control_source
    from daily_totals
    inner join slices
        on
            slices.account_id = daily_totals.account_id
            and slices.usage_date = daily_totals.usage_date
            and slices.billing_period = daily_totals.billing_period
            and not slices.is_blocked_later
    left join control_spans
        on
            control_spans.delivery_id = daily_totals.delivery_id
            and control_spans.cost_type = daily_totals.cost_type
    left join rules on rules.provider = slices.provider
    where
        daily_totals.right_amount is not null
        or control_spans.span_first is null
        or daily_totals.usage_date not between control_spans.span_first and control_spans.span_last
{% endmacro %}
