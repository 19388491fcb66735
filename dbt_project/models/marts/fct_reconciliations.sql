{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['usage_date', 'account_id']}, {'columns': ['state', 'account_id']}],
        pre_hook="{{ open_reconciliations('day') }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per check, account, period (day, month or invoice), billing month, currency and cost
-- type. A side that nobody states is null, and its state says so: it is never a match.
-- depends_on: {{ ref('int_days_blocked') }}
with

days as (
    select distinct account_id, usage_date
    from {{ changed_slices() }}
    where delivery_id is not null
),

-- what stands of the days, and the delivery that spoke last: the held-back one where there is one
slices as (
    select
        partitions.account_id,
        partitions.provider,
        partitions.usage_date,
        partitions.billing_period,
        partitions.delivery_id,
        partitions.rows as standing_rows,
        partitions.state as ledger_state,
        partitions.blocked_by,
        coalesce(partitions.blocked_by, partitions.delivery_id) as spoken_by,
        blocked.account_id is not null as is_blocked_later
    from days
    inner join {{ source('raw', 'partitions') }} as partitions
        on
            partitions.dataset = 'costs'
            and partitions.account_id = days.account_id
            and partitions.usage_date = days.usage_date
    left join {{ ref('int_days_blocked') }} as blocked
        on blocked.account_id = days.account_id and blocked.usage_date = days.usage_date
),

standing_days as (
    select
        slices.account_id,
        slices.usage_date,
        max(slices.delivery_id) as delivery_id,
        bool_or(slices.is_blocked_later) as is_blocked_later
    from slices
    where slices.delivery_id is not null
    group by 1, 2
),

acceptances as (
    select * from {{ ref('int_acceptances') }}
),

controls_of_focus_costs as (
    {{ controls_of_focus_costs() }}
),

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
            sum(charges.billed_cost) as billed_cost,
            sum(charges.effective_cost) as effective_cost,
            sum(charges.list_cost) as list_cost,
            sum(charges.contracted_cost) as contracted_cost
        from ({{ of_changed_days(ref('fct_charges')) }}) as charges
        group by 1, 2, 3, 4
        union all
        select
            'daily' as name,
            daily.account_id,
            daily.usage_date,
            daily.billing_currency as currency,
            sum(daily.charges) as charges,
            sum(daily.billed_cost) as billed_cost,
            sum(daily.effective_cost) as effective_cost,
            sum(daily.list_cost) as list_cost,
            sum(daily.contracted_cost) as contracted_cost
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

layer_checks as (
    select
        raw_level.check_name,
        raw_level.account_id,
        raw_level.usage_date,
        coalesce(raw_level.currency, '') as currency,
        raw_level.cost_type,
        raw_level.left_amount,
        raw_level.right_amount,
        raw_level.excluded_amount,
        case
            when raw_level.residual is null then 'raw has no such cost: staging models it'
            else raw_level.excluded_reasons
        end as cause,
        case when raw_level.residual is null then 'no control total' end as preset
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
        null::text as cause,
        null::text as preset
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
        null::text as cause,
        null::text as preset
    from (
        select * from layers
        where layer = 'charges'
    ) as charges
    full join (
        select * from layers
        where layer = 'daily'
    ) as daily
        using (account_id, usage_date, currency, cost_type)
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
        deliveries.id in (select spoken_by from slices)
        or deliveries.id in (select delivery_id from slices)
),

stated_costs as (
    select
        controls.*,
        known.cost_type
    from controls
    inner join controls_of_focus_costs as known
        on known.raw_table = controls.raw_table and known.control_type = controls.control_type
),

control_totals as (
    select
        slices.account_id,
        slices.usage_date,
        slices.billing_period,
        controls.currency,
        controls.control_type as cost_type,
        controls.loaded as left_amount,
        controls.stated as right_amount,
        controls.tolerance,
        controls.delivery_id,
        controls.control_source
    from slices
    inner join controls
        on
            controls.delivery_id = slices.spoken_by
            and controls.first_day = slices.usage_date
            and controls.last_day = slices.usage_date
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
            ('{{ cost }}', daily.{{ cost }}){% if not loop.last %},{% endif %}
            {% endfor %}
        ) as each (cost_type, amount)
    group by 1, 2, 3, 4, 5, 6
),

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
        stated.tolerance,
        stated.control_source
    from daily_by_slice as daily
    full join stated_by_slice as stated
        using (account_id, usage_date, billing_period, delivery_id, currency, cost_type)
),

rules as (
    select * from {{ ref('provider_rules') }}
),

-- how far the daily totals of a delivery go, and where it states one for a span of days instead
control_spans as (
    select
        stated_costs.delivery_id,
        stated_costs.cost_type,
        max(stated_costs.last_day) filter (where stated_costs.first_day = stated_costs.last_day) as daily_through,
        min(stated_costs.first_day) filter (where stated_costs.first_day < stated_costs.last_day) as span_first,
        max(stated_costs.last_day) filter (where stated_costs.first_day < stated_costs.last_day) as span_last
    from stated_costs
    group by 1, 2
),

-- days that a delivery was held back on, and days that a person let in
arrivals as (
    select
        slices.account_id,
        slices.usage_date,
        slices.billing_period,
        slices.blocked_by as delivery_id,
        held.rows as left_amount,
        case when slices.delivery_id is not null then slices.standing_rows end as right_amount,
        'blocked' as state,
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
        'accepted' as state,
        coalesce(acceptances.objection, 'held back as delivery ' || acceptances.refused_delivery_id) as cause
    from slices
    inner join acceptances
        on
            acceptances.account_id = slices.account_id
            and acceptances.usage_date = slices.usage_date
            and acceptances.billing_period = slices.billing_period
),

comparisons as (
    select
        layer_checks.check_name,
        layer_checks.account_id,
        'day' as grain,
        layer_checks.usage_date,
        date_trunc('month', layer_checks.usage_date)::date as billing_period,
        layer_checks.usage_date as first_day,
        layer_checks.usage_date as last_day,
        null::text as invoice_id,
        nullif(layer_checks.currency, '') as currency,
        layer_checks.cost_type,
        layer_checks.left_amount,
        coalesce(layer_checks.right_amount, 0) as right_amount,
        layer_checks.excluded_amount,
        0::numeric as tolerance,
        layer_checks.preset,
        layer_checks.cause,
        standing_days.delivery_id,
        null::text as control_source,
        false as is_accepted
    from layer_checks
    inner join standing_days
        on
            standing_days.account_id = layer_checks.account_id
            and standing_days.usage_date = layer_checks.usage_date
    union all
    select
        'control_total' as check_name,
        control_totals.account_id,
        'day' as grain,
        control_totals.usage_date,
        control_totals.billing_period,
        control_totals.usage_date as first_day,
        control_totals.usage_date as last_day,
        null::text as invoice_id,
        control_totals.currency,
        control_totals.cost_type,
        control_totals.left_amount,
        control_totals.right_amount,
        null::numeric as excluded_amount,
        control_totals.tolerance,
        null::text as preset,
        null::text as cause,
        control_totals.delivery_id,
        control_totals.control_source,
        false as is_accepted
    from control_totals
    union all
    select
        'daily_vs_control' as check_name,
        daily_totals.account_id,
        'day' as grain,
        daily_totals.usage_date,
        daily_totals.billing_period,
        daily_totals.usage_date as first_day,
        daily_totals.usage_date as last_day,
        null::text as invoice_id,
        daily_totals.currency,
        daily_totals.cost_type,
        daily_totals.left_amount,
        daily_totals.right_amount,
        null::numeric as excluded_amount,
        coalesce(daily_totals.tolerance, 0) as tolerance,
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
        daily_totals.control_source,
        false as is_accepted
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
    union all
    select
        'delivered_vs_standing' as check_name,
        arrivals.account_id,
        'day' as grain,
        arrivals.usage_date,
        arrivals.billing_period,
        arrivals.usage_date as first_day,
        arrivals.usage_date as last_day,
        null::text as invoice_id,
        null::text as currency,
        'rows' as cost_type,
        arrivals.left_amount,
        arrivals.right_amount,
        null::numeric as excluded_amount,
        0::numeric as tolerance,
        arrivals.state as preset,
        arrivals.cause,
        arrivals.delivery_id,
        null::text as control_source,
        false as is_accepted
    from arrivals
    union all
    select of_months.*
    from {{ this.identifier }}__months as months
    inner join {{ ref('int_month_reconciliations') }} as of_months
        on
            of_months.account_id = months.account_id
            and of_months.billing_period = months.billing_period
),

providers as (
    select
        partitions.account_id,
        min(partitions.provider) as provider
    from {{ ref('int_partitions_by_day') }} as partitions
    group by 1
),

measured as (
    select
        comparisons.*,
        case
            when comparisons.right_amount is not null and coalesce(comparisons.preset, '') <> 'no control total'
                then
                    coalesce(comparisons.left_amount, 0) - comparisons.right_amount
                    - coalesce(comparisons.excluded_amount, 0)
        end as residual,
        acceptances.accepted_by,
        acceptances.reason as accepted_reason
    from comparisons
    left join lateral (
        select
            every.accepted_by,
            every.reason
        from acceptances as every
        where
            every.account_id = comparisons.account_id
            and every.billing_period = comparisons.billing_period
            and (
                every.usage_date = comparisons.usage_date
                or (
                    comparisons.is_accepted
                    and every.usage_date between comparisons.first_day and comparisons.last_day
                )
            )
        order by 1
        limit 1
    ) as acceptances on true
),

judged as (
    select
        measured.*,
        case
            when measured.preset is not null then measured.preset
            when measured.residual = 0 then 'exact'
            when abs(measured.residual) <= measured.tolerance then 'within rounding'
            when measured.accepted_by is not null then 'accepted'
            else 'blocked'
        end as state
    from measured
)

select
    judged.check_name,
    providers.provider,
    judged.account_id,
    judged.grain,
    judged.usage_date,
    judged.billing_period,
    judged.first_day,
    judged.last_day,
    judged.invoice_id,
    judged.currency,
    judged.cost_type,
    judged.left_amount,
    judged.right_amount,
    judged.excluded_amount,
    judged.residual,
    judged.tolerance,
    judged.state,
    judged.cause,
    case when judged.state = 'accepted' then judged.accepted_by end as accepted_by,
    case when judged.state = 'accepted' then judged.accepted_reason end as accepted_reason,
    judged.delivery_id,
    judged.control_source
from judged
left join providers on providers.account_id = judged.account_id
