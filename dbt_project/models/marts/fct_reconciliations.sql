{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[
            {'columns': ['usage_date', 'account_id']},
            {'columns': ['state', 'account_id']},
            {'columns': ['delivery_id', 'check_name']}
        ],
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

controls as (
    {{ stated_totals('select spoken_by from slices union select delivery_id from slices') }}
),

stated_costs as (
    {{ stated_focus_costs() }}
),

rules as (
    select * from {{ ref('provider_rules') }}
),

layer_comparisons as (
    {{ layer_comparisons() }}
),

control_comparisons as (
    {{ control_comparisons() }}
),

arrival_comparisons as (
    {{ arrival_comparisons() }}
),

comparisons as (
    select
        of_days.check_name,
        of_days.account_id,
        'day' as grain,
        of_days.usage_date,
        of_days.billing_period,
        of_days.usage_date as first_day,
        of_days.usage_date as last_day,
        null::text as invoice_id,
        of_days.currency,
        of_days.cost_type,
        of_days.left_amount,
        of_days.right_amount,
        of_days.excluded_amount,
        of_days.tolerance,
        of_days.preset,
        of_days.cause,
        of_days.delivery_id,
        of_days.control_source,
        false as is_accepted
    from (
        select * from layer_comparisons
        union all
        select * from control_comparisons
        union all
        select * from arrival_comparisons
    ) as of_days
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
