{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['grain', 'period_start', 'account_id']}],
        pre_hook=[
            "{{ open_increment('fct_daily_sku_costs', keeps_rows=true) }}",
            "{{ open_rollup() }}"
        ],
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per grain (day, week, month), provider, account, service, charge category, article,
-- pricing unit, use of a commitment, billing currency and period. Each grain alone is the whole bill:
-- never sum across them.
with

summed as (
    select
        costs.provider,
        costs.account_id,
        costs.usage_date,
        costs.service_category,
        costs.service_name,
        costs.charge_category,
        costs.sku,
        costs.pricing_unit,
        costs.commitment_use,
        costs.billing_currency,
        -- of all charges or of none, as in the rows that it is summed from
        case when count(*) = count(costs.pricing_quantity) then sum(costs.pricing_quantity) end
            as pricing_quantity,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost
    from {{ ref('fct_daily_sku_costs') }} as costs
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
),

changed_days as materialized (
    {{ by_changed_day('summed') }}
),

days as (
    select * from changed_days
    {% if is_incremental() %}
    union all
    select
        standing.provider,
        standing.account_id,
        standing.period_start as usage_date,
        standing.service_category,
        standing.service_name,
        standing.charge_category,
        standing.sku,
        standing.pricing_unit,
        standing.commitment_use,
        standing.billing_currency,
        standing.pricing_quantity,
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
        in_periods.provider,
        in_periods.account_id,
        in_periods.service_category,
        in_periods.service_name,
        in_periods.charge_category,
        in_periods.sku,
        in_periods.pricing_unit,
        in_periods.commitment_use,
        in_periods.billing_currency,
        case
            when count(*) = count(in_periods.pricing_quantity) then sum(in_periods.pricing_quantity)
        end as pricing_quantity,
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
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
),

-- by grain and period_start, so that the rows of a period lie together: a page reads few blocks
in_order as (
    select * from periods
    order by 1, 2
)

select
    'day' as grain,
    changed_days.usage_date as period_start,
    changed_days.provider,
    changed_days.account_id,
    changed_days.service_category,
    changed_days.service_name,
    changed_days.charge_category,
    changed_days.sku,
    changed_days.pricing_unit,
    changed_days.commitment_use,
    changed_days.billing_currency,
    changed_days.pricing_quantity,
    changed_days.list_cost,
    changed_days.contracted_cost,
    changed_days.effective_cost,
    changed_days.billed_cost
from changed_days
union all
select * from in_order
