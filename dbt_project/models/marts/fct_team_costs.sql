{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['grain', 'period_start', 'account_id']}],
        pre_hook=[
            "{{ open_increment('fct_daily_team_costs', keeps_rows=true) }}",
            "{{ widen_to_rewritten('fct_daily_team_costs', keeps_rows=true) }}",
            "{{ open_rollup() }}"
        ],
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per grain (day, week, month), team, cost centre, environment, account, billing currency,
-- whether it is final, and period. Each grain alone is the whole bill: never sum across them.
with

summed as (
    select
        costs.team,
        costs.cost_center,
        costs.environment,
        costs.account_id,
        costs.billing_currency,
        costs.usage_date,
        costs.is_final,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost
    from {{ ref('fct_daily_team_costs') }} as costs
    group by 1, 2, 3, 4, 5, 6, 7
),

changed_days as materialized (
    {{ by_changed_day('summed') }}
),

days as (
    select * from changed_days
    {% if is_incremental() %}
    union all
    select
        standing.team,
        standing.cost_center,
        standing.environment,
        standing.account_id,
        standing.billing_currency,
        standing.period_start as usage_date,
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
        in_periods.team,
        in_periods.cost_center,
        in_periods.environment,
        in_periods.account_id,
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
    group by 1, 2, 3, 4, 5, 6, 7, 8
)

select
    'day' as grain,
    changed_days.usage_date as period_start,
    changed_days.team,
    changed_days.cost_center,
    changed_days.environment,
    changed_days.account_id,
    changed_days.billing_currency,
    changed_days.is_final,
    changed_days.list_cost,
    changed_days.contracted_cost,
    changed_days.effective_cost,
    changed_days.billed_cost
from changed_days
union all
select * from periods
