{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['usage_date', 'account_id']}, {'columns': ['is_tied']}],
        pre_hook="{{ open_increment('raw') }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per check, account, UTC day, currency and cost type. What fct_charges may be built
-- from: a day whose rows do not tie here is held back there, and its older figures stay.
with

days as (
    select distinct account_id, usage_date
    from {{ changed_slices() }}
    where delivery_id is not null
),

partitions as (
    select partitions.*
    from days
    inner join {{ source('raw', 'partitions') }} as partitions
        on
            partitions.dataset = 'costs'
            and partitions.delivery_id is not null
            and partitions.account_id = days.account_id
            and partitions.usage_date = days.usage_date
),

ledger as (
    select
        partitions.account_id,
        partitions.usage_date,
        by_currency.key as currency,
        by_type.key as cost_type,
        sum(by_type.value::numeric) as amount
    from partitions
    cross join lateral jsonb_each(partitions.sums) as by_currency
    cross join lateral jsonb_each_text(by_currency.value) as by_type
    group by 1, 2, 3, 4
    union all
    select
        partitions.account_id,
        partitions.usage_date,
        '' as currency,
        'rows' as cost_type,
        sum(partitions.rows) as amount
    from partitions
    group by 1, 2
),

raw_sums as (
    {{ of_changed_days(ref('int_raw_sums')) }}
),

summed_raw as (
    select
        raw_sums.account_id,
        raw_sums.usage_date,
        case when raw_sums.basis = 'rows' then '' else coalesce(raw_sums.currency, '?') end as currency,
        raw_sums.basis,
        raw_sums.cost_type,
        sum(raw_sums.amount) as amount
    from raw_sums
    where raw_sums.amount is not null
    group by 1, 2, 3, 4, 5
),

charges as (
    {{ of_changed_days(ref('int_costs_unioned')) }}
),

summed_charges as (
    select
        charges.account_id,
        charges.usage_date,
        coalesce(charges.billing_currency, '?') as currency,
        count(*) as charges,
        sum(charges.billed_cost) as billed_cost,
        sum(charges.effective_cost) as effective_cost,
        sum(charges.list_cost) as list_cost,
        sum(charges.contracted_cost) as contracted_cost
    from charges
    group by 1, 2, 3
),

staged as (
    select
        summed_charges.account_id,
        summed_charges.usage_date,
        case when each.cost_type = 'rows' then '' else summed_charges.currency end as currency,
        each.cost_type,
        sum(each.amount) as amount
    from summed_charges
    cross join
        lateral (
            values
            {% for cost in focus_costs() %}
            ('{{ cost }}', summed_charges.{{ cost }}),
            {% endfor %}
            ('rows', summed_charges.charges)
        ) as each (cost_type, amount)
    where each.amount is not null
    group by 1, 2, 3, 4
),

-- what staging leaves out for a named reason
excluded as (
    select
        raw_sums.account_id,
        raw_sums.usage_date,
        case when raw_sums.basis = 'rows' then '' else coalesce(raw_sums.currency, '?') end as currency,
        raw_sums.cost_type,
        sum(raw_sums.amount) as amount,
        string_agg(distinct raw_sums.excluded_reason, '; ') as reasons
    from raw_sums
    where raw_sums.excluded_reason is not null and raw_sums.basis <> 'delivered' and raw_sums.amount <> 0
    group by 1, 2, 3, 4
),

-- FOCUS costs of a day that raw does not tell: staging models them, so there is nothing to compare
modelled as (
    select distinct
        partitions.account_id,
        partitions.usage_date,
        known.cost_type
    from partitions
    inner join ({{ modelled_costs() }}) as known on known.raw_table = partitions.raw_table
),

compared as (
    select
        'ledger_vs_raw' as check_name,
        account_id,
        usage_date,
        currency,
        cost_type,
        ledger.amount as left_amount,
        stored.amount as right_amount,
        null::numeric as excluded_amount,
        null::text as excluded_reasons
    from ledger
    full join (
        select * from summed_raw
        where basis in ('delivered', 'rows')
    ) as stored
        using (account_id, usage_date, currency, cost_type)
    union all
    select
        'raw_vs_staging' as check_name,
        account_id,
        usage_date,
        currency,
        cost_type,
        stored.amount as left_amount,
        staged.amount as right_amount,
        excluded.amount as excluded_amount,
        excluded.reasons as excluded_reasons
    from (
        select * from summed_raw
        where basis in ('focus', 'rows')
    ) as stored
    full join staged using (account_id, usage_date, currency, cost_type)
    left join excluded using (account_id, usage_date, currency, cost_type)
),

measured as (
    select
        compared.*,
        case
            when modelled.account_id is null
                then
                    coalesce(compared.left_amount, 0) - coalesce(compared.right_amount, 0)
                    - coalesce(compared.excluded_amount, 0)
        end as residual
    from compared
    left join modelled
        on
            compared.check_name = 'raw_vs_staging'
            and modelled.account_id = compared.account_id
            and modelled.usage_date = compared.usage_date
            and modelled.cost_type = compared.cost_type
)

select
    measured.check_name,
    measured.account_id,
    measured.usage_date,
    nullif(measured.currency, '') as currency,
    measured.cost_type,
    case when measured.residual is not null then measured.left_amount end as left_amount,
    measured.right_amount,
    measured.excluded_amount,
    measured.excluded_reasons,
    measured.residual,
    coalesce(measured.residual = 0, true) as is_tied
from measured
-- a day without rows has nothing to tie but their number
where coalesce(measured.left_amount, measured.right_amount) is not null
