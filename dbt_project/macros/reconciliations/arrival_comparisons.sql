{#
    The rows of days that a delivery was held back on, and of days that a person let in, beside those
    that stand, of the CTEs `slices` and `acceptances`.
#}
{% macro arrival_comparisons() %}
    with
    arrivals as (
        select
            slices.account_id,
            slices.usage_date,
            slices.billing_period,
            slices.blocked_by as delivery_id,
            held.rows as left_amount,
            case when slices.delivery_id is not null then slices.standing_rows end as right_amount,
            'blocked' as preset,
            held.reason as cause
        from slices
        inner join {{ source('raw', 'delivery_days') }} as held
            on
                held.delivery_id = slices.blocked_by
                and held.usage_date = slices.usage_date
                and held.billing_period = slices.billing_period
        where slices.ledger_state <> 'loaded'
        union all
        select
            slices.account_id,
            slices.usage_date,
            slices.billing_period,
            slices.delivery_id,
            slices.standing_rows as left_amount,
            acceptances.replaced_rows as right_amount,
            'accepted' as preset,
            coalesce(acceptances.objection, 'held back as delivery ' || acceptances.refused_delivery_id) as cause
        from slices
        inner join acceptances
            on
                acceptances.account_id = slices.account_id
                and acceptances.usage_date = slices.usage_date
                and acceptances.billing_period = slices.billing_period
    )

    select
        'delivered_vs_standing' as check_name,
        arrivals.account_id,
        arrivals.usage_date,
        arrivals.billing_period,
        null::text as currency,
        'rows' as cost_type,
        arrivals.left_amount,
        arrivals.right_amount,
        null::numeric as excluded_amount,
        0::numeric as tolerance,
        arrivals.preset,
        arrivals.cause,
        arrivals.delivery_id,
        null::text as control_source
    from arrivals
{% endmacro %}
