{#
    The layers of our own, each against the next, of the CTEs `days` and `standing_days`: what
    int_raw_reconciliations has compared of ledger, raw and staging, then staging with fct_charges and
    that with fct_daily_costs.
#}
{% macro layer_comparisons() %}
    with
    -- the layers above staging, summed
    layers as (
        select
            layer.name as layer,
            layer.account_id,
            layer.usage_date,
            case when each.cost_type = 'rows' then '' else layer.currency end as currency,
            each.cost_type,
            sum(each.amount) as amount
        from (
            select
                'charges' as name,
                charges.account_id,
                charges.usage_date,
                charges.billing_currency as currency,
                count(*) as charges,
                {% for cost in focus_costs() %}
                sum(charges.{{ cost }}) as {{ cost }}{{ ',' if not loop.last }}
                {% endfor %}
            from ({{ of_changed_days(ref('fct_charges')) }}) as charges
            group by 1, 2, 3, 4
            union all
            select
                'daily' as name,
                daily.account_id,
                daily.usage_date,
                daily.billing_currency as currency,
                sum(daily.charges) as charges,
                {% for cost in focus_costs() %}
                sum(daily.{{ cost }}) as {{ cost }}{{ ',' if not loop.last }}
                {% endfor %}
            from ({{ of_changed_days(ref('fct_daily_costs')) }}) as daily
            group by 1, 2, 3, 4
        ) as layer
        inner join days on days.account_id = layer.account_id and days.usage_date = layer.usage_date
        cross join
            lateral (
                values
                {% for cost in focus_costs() %}
                ('{{ cost }}', layer.{{ cost }}),
                {% endfor %}
                ('rows', layer.charges)
            ) as each (cost_type, amount)
        group by 1, 2, 3, 4, 5
    ),

    raw_level as (
        select reconciliations.*
        from ({{ of_changed_days(ref('int_raw_reconciliations')) }}) as reconciliations
        inner join days
            on
                days.account_id = reconciliations.account_id
                and days.usage_date = reconciliations.usage_date
    ),

    staged as (
        select
            raw_level.account_id,
            raw_level.usage_date,
            coalesce(raw_level.currency, '') as currency,
            raw_level.cost_type,
            raw_level.right_amount as amount
        from raw_level
        inner join standing_days
            on
                standing_days.account_id = raw_level.account_id
                and standing_days.usage_date = raw_level.usage_date
        where raw_level.check_name = 'raw_vs_staging' and not standing_days.is_blocked_later
    ),

    charged as (
        select layers.*
        from layers
        inner join standing_days
            on
                standing_days.account_id = layers.account_id
                and standing_days.usage_date = layers.usage_date
        where layers.layer = 'charges' and not standing_days.is_blocked_later
    ),

    compared as (
        select
            raw_level.check_name,
            raw_level.account_id,
            raw_level.usage_date,
            coalesce(raw_level.currency, '') as currency,
            raw_level.cost_type,
            raw_level.left_amount,
            raw_level.right_amount,
            raw_level.excluded_amount,
            case when raw_level.residual is null then 'no control total' end as preset,
            case
                when raw_level.residual is null then 'raw has no such cost: staging models it'
                else raw_level.excluded_reasons
            end as cause
        from raw_level
        union all
        select
            'staging_vs_charges' as check_name,
            account_id,
            usage_date,
            currency,
            cost_type,
            staged.amount as left_amount,
            charged.amount as right_amount,
            null::numeric as excluded_amount,
            null::text as preset,
            null::text as cause
        from staged
        full join charged using (account_id, usage_date, currency, cost_type)
        union all
        select
            'charges_vs_daily' as check_name,
            account_id,
            usage_date,
            currency,
            cost_type,
            charges.amount as left_amount,
            daily.amount as right_amount,
            null::numeric as excluded_amount,
            null::text as preset,
            null::text as cause
        from (select * from layers where layer = 'charges') as charges
        full join (select * from layers where layer = 'daily') as daily
            using (account_id, usage_date, currency, cost_type)
    )

    select
        compared.check_name,
        compared.account_id,
        compared.usage_date,
        date_trunc('month', compared.usage_date)::date as billing_period,
        nullif(compared.currency, '') as currency,
        compared.cost_type,
        compared.left_amount,
        coalesce(compared.right_amount, 0) as right_amount,
        compared.excluded_amount,
        0::numeric as tolerance,
        compared.preset,
        compared.cause,
        standing_days.delivery_id,
        null::text as control_source
    from compared
    inner join standing_days
        on
            standing_days.account_id = compared.account_id
            and standing_days.usage_date = compared.usage_date
{% endmacro %}
