{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['grain', 'period_start', 'account_id']}],
        pre_hook=[
            "{{ open_increment('int_daily_attribute_costs', keeps_rows=true) }}",
            "{{ open_rollup() }}"
        ],
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per grain (day, week, month), account, set of attributes that stands for all of its
-- tags and currency, whether all costs of the day are final, and period. Each grain alone is the
-- whole bill: never sum across them.
with

-- a day is final where all of its account's costs are
finality as (
    select
        daily.account_id,
        daily.usage_date,
        daily.billing_period,
        bool_and(daily.is_final) as is_final
    from {{ ref('fct_daily_costs') }} as daily
    group by 1, 2, 3
),

summed as (
    select
        costs.account_id,
        costs.usage_date,
        sets.tags,
        sets.billing_currency,
        coalesce(finality.is_final, false) as is_final,
        -- any of those with these tags: where they stand once more, they need not be kept
        min(costs.attributes_key::text)::uuid as attributes_key,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost
    from {{ ref('int_daily_attribute_costs') }} as costs
    inner join {{ ref('int_charge_attributes') }} as sets
        on sets.attributes_key = costs.attributes_key
    left join finality
        on
            finality.account_id = costs.account_id
            and finality.usage_date = costs.usage_date
            and finality.billing_period = costs.billing_period
    group by 1, 2, 3, 4, 5
),

changed_days as materialized (
    {{ by_changed_day('summed') }}
),

days as (
    select
        changed_days.account_id,
        changed_days.usage_date,
        changed_days.attributes_key,
        changed_days.billing_currency,
        changed_days.is_final,
        changed_days.list_cost,
        changed_days.contracted_cost,
        changed_days.effective_cost,
        changed_days.billed_cost
    from changed_days
    {% if is_incremental() %}
    union all
    select
        standing.account_id,
        standing.period_start as usage_date,
        standing.attributes_key,
        standing.billing_currency,
        standing.is_final,
        standing.list_cost,
        standing.contracted_cost,
        standing.effective_cost,
        standing.billed_cost
    from ({{ standing_rollup_days() }}) as standing
    {% endif %}
),

days_in_periods as (
    select
        days.*,
        grains.grain,
        date_trunc(grains.grain, days.usage_date)::date as period_start
    from days
    cross join (values ('week'), ('month')) as grains (grain)
),

periods as (
    select
        in_periods.grain,
        in_periods.period_start,
        in_periods.account_id,
        in_periods.attributes_key,
        in_periods.billing_currency,
        in_periods.is_final,
        sum(in_periods.list_cost) as list_cost,
        sum(in_periods.contracted_cost) as contracted_cost,
        sum(in_periods.effective_cost) as effective_cost,
        sum(in_periods.billed_cost) as billed_cost
    from days_in_periods as in_periods
    inner join {{ this.identifier }}__periods as changed
        on
            changed.account_id = in_periods.account_id
            and changed.grain = in_periods.grain
            and changed.period_start = in_periods.period_start
    group by 1, 2, 3, 4, 5, 6
)

select
    'day' as grain,
    changed_days.usage_date as period_start,
    changed_days.account_id,
    changed_days.attributes_key,
    changed_days.billing_currency,
    changed_days.is_final,
    changed_days.list_cost,
    changed_days.contracted_cost,
    changed_days.effective_cost,
    changed_days.billed_cost
from changed_days
union all
select * from periods
