{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[
            {'columns': ['account_id', 'grain', 'period_start']},
            {'columns': ['grain', 'period_start']}
        ],
        pre_hook=[
            "{{ open_increment('fct_daily_sku_costs', by_day=false) }}",
            "{{ open_periods('fct_daily_sku_costs') }}"
        ],
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per grain (day, week, month), account, sub account, service, billing currency and
-- period, where the service was charged in the period or in the 31 days before
with

periods as (
    select * from {{ this.identifier }}__periods
),

loaded_days as (
    select * from {{ this.identifier }}__days
),

{% if is_incremental() %}
days_needed as (
    {{ days_of_periods() }}
),
{% endif %}

costs as (
    {% if is_incremental() %}
    {{ rows_of_days(ref('fct_daily_sku_costs'), 'days_needed') }}
    {% else %}
    select * from {{ ref('fct_daily_sku_costs') }}
    {% endif %}
),

by_unit as (
    select
        md5(
            concat_ws(
                '|',
                costs.account_id,
                coalesce(costs.sub_account_id, chr(1)),
                costs.service_name,
                costs.billing_currency
            )
        ) as series_key,
        costs.provider,
        costs.account_id,
        costs.sub_account_id,
        costs.service_name,
        costs.billing_currency,
        costs.usage_date,
        case
            when costs.charge_category = 'Usage' and costs.pricing_quantity is not null then costs.pricing_unit
        end as unit,
        sum(costs.pricing_quantity) as quantity,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost,
        coalesce(sum(costs.effective_cost) filter (where costs.charge_category = 'Usage'), 0) as usage_cost,
        sum(costs.charges) as charges
    from costs
    group by 1, 2, 3, 4, 5, 6, 7, 8
),

by_day as (
    select
        by_unit.series_key,
        by_unit.provider,
        by_unit.account_id,
        by_unit.sub_account_id,
        by_unit.service_name,
        by_unit.billing_currency,
        by_unit.usage_date,
        sum(by_unit.effective_cost) as effective_cost,
        sum(by_unit.billed_cost) as billed_cost,
        sum(by_unit.usage_cost) as usage_cost,
        sum(by_unit.charges) as charges
    from by_unit
    group by 1, 2, 3, 4, 5, 6, 7
),

charged as (
    select
        by_day.*,
        lag(by_day.usage_date) over series as charged_before,
        lead(by_day.usage_date) over series as charged_next
    from by_day
    window series as (partition by by_day.series_key order by by_day.usage_date)
),

-- each day of a month after a charge: a loaded day without one costs nothing, which is a figure
every_day as (
    select
        charged.series_key,
        charged.provider,
        charged.account_id,
        charged.sub_account_id,
        charged.service_name,
        charged.billing_currency,
        loaded_days.usage_date,
        charged.usage_date as last_charged,
        case when loaded_days.usage_date = charged.usage_date then charged.charged_before end as charged_before,
        case when loaded_days.usage_date = charged.usage_date then charged.charges else 0 end as charges,
        case when loaded_days.usage_date = charged.usage_date then charged.effective_cost else 0 end as effective_cost,
        case when loaded_days.usage_date = charged.usage_date then charged.billed_cost else 0 end as billed_cost,
        case when loaded_days.usage_date = charged.usage_date then charged.usage_cost else 0 end as usage_cost
    from charged
    cross join
        lateral
        generate_series(0, least(charged.charged_next - charged.usage_date - 1, 31)) as days_after
    inner join loaded_days
        on
            loaded_days.account_id = charged.account_id
            and loaded_days.usage_date = charged.usage_date + days_after
),

days_so_far as (
    select
        loaded_days.account_id,
        loaded_days.usage_date,
        count(*) over (days range between interval '6 days' preceding and current row) as days_of_7,
        count(*) over (days range between interval '27 days' preceding and current row) as days_of_28,
        count(*) over (
            partition by loaded_days.account_id, date_trunc('month', loaded_days.usage_date)
            order by loaded_days.usage_date
        ) as days_of_month
    from loaded_days
    window days as (partition by loaded_days.account_id order by loaded_days.usage_date)
),

sums_so_far as (
    select
        every_day.series_key,
        every_day.account_id,
        every_day.usage_date,
        sum(every_day.effective_cost) over (days range between interval '6 days' preceding and current row)
            as cost_of_7_days,
        sum(every_day.effective_cost) over (days range between interval '27 days' preceding and current row)
            as cost_of_28_days,
        sum(every_day.effective_cost) over month_so_far as cost_of_month,
        sum(every_day.usage_cost) over month_so_far as usage_of_month
    from every_day
    window
        days as (partition by every_day.series_key order by every_day.usage_date),
        month_so_far as (
            partition by every_day.series_key, date_trunc('month', every_day.usage_date)
            order by every_day.usage_date
        )
),

-- the loaded days of each period
own_days as (
    select
        periods.*,
        loaded_days.usage_date,
        count(*) over of_period as loaded,
        max(loaded_days.usage_date) over of_period as loaded_through,
        count(*) over of_period = periods.period_end - periods.period_start + 1 as is_whole
    from periods
    inner join loaded_days
        on
            loaded_days.account_id = periods.account_id
            and loaded_days.usage_date between periods.period_start and periods.period_end
    window of_period as (partition by periods.account_id, periods.grain, periods.period_start)
),

-- and the days they are compared with: a whole month with the whole month, weekdays with weekdays,
-- all else with the days of the same number, where the other month has them
other_days as (
    select
        own_days.account_id,
        own_days.grain,
        own_days.period_start,
        versus.months,
        case
            when own_days.grain = 'week' then own_days.usage_date - case versus.months when 1 then 28 else 364 end
            else (own_days.usage_date - versus.months * interval '1 month')::date
        end as usage_date
    from own_days
    cross join (values (1), (12)) as versus (months)
    where
        not (own_days.grain = 'month' and own_days.is_whole)
        and (
            own_days.grain = 'week'
            or extract(day from own_days.usage_date - versus.months * interval '1 month')
            = extract(day from own_days.usage_date)
        )
    union all
    select
        own_days.account_id,
        own_days.grain,
        own_days.period_start,
        versus.months,
        day::date
    from own_days
    cross join (values (1), (12)) as versus (months)
    cross join
        lateral
        generate_series(
            own_days.period_start - versus.months * interval '1 month',
            own_days.period_start - versus.months * interval '1 month' + interval '1 month - 1 day',
            interval '1 day'
        ) as day
    where own_days.grain = 'month' and own_days.is_whole and own_days.usage_date = own_days.period_start
),

-- with a day missing, the periods cannot be compared
compared_periods as (
    select
        other_days.account_id,
        other_days.grain,
        other_days.period_start,
        bool_and(loaded_days.usage_date is not null) filter (where other_days.months = 1) as has_last_month,
        bool_and(loaded_days.usage_date is not null) filter (where other_days.months = 12) as has_last_year
    from other_days
    left join loaded_days
        on loaded_days.account_id = other_days.account_id and loaded_days.usage_date = other_days.usage_date
    group by 1, 2, 3
),

own_sums as (
    select
        every_day.series_key,
        every_day.provider,
        every_day.account_id,
        every_day.sub_account_id,
        every_day.service_name,
        every_day.billing_currency,
        own_days.grain,
        own_days.period_start,
        own_days.period_end,
        own_days.looks_back_to,
        own_days.loaded,
        own_days.loaded_through,
        own_days.is_whole,
        sum(every_day.charges) as charges,
        sum(every_day.effective_cost) as effective_cost,
        sum(every_day.billed_cost) as billed_cost,
        sum(every_day.usage_cost) as usage_cost,
        max(every_day.last_charged) as last_charged,
        -- of the first charge in the period
        (array_agg(every_day.charged_before order by every_day.usage_date) filter (where every_day.charges > 0))[1]
            as charged_before
    from own_days
    inner join every_day
        on every_day.account_id = own_days.account_id and every_day.usage_date = own_days.usage_date
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
),

other_sums as (
    select
        by_day.series_key,
        other_days.grain,
        other_days.period_start,
        sum(by_day.effective_cost) filter (where other_days.months = 1) as last_month_cost,
        sum(by_day.charges) filter (where other_days.months = 1) as last_month_charges,
        sum(by_day.effective_cost) filter (where other_days.months = 12) as last_year_cost
    from other_days
    inner join by_day
        on by_day.account_id = other_days.account_id and by_day.usage_date = other_days.usage_date
    group by 1, 2, 3
),

own_quantities as (
    select
        by_unit.series_key,
        own_days.grain,
        own_days.period_start,
        by_unit.unit,
        sum(by_unit.quantity) as quantity,
        sum(by_unit.usage_cost) as usage_cost
    from own_days
    inner join by_unit
        on by_unit.account_id = own_days.account_id and by_unit.usage_date = own_days.usage_date
    where by_unit.unit is not null
    group by 1, 2, 3, 4
),

-- a service is measured by the unit that most of its usage cost is in
main_units as (
    select distinct on (own_quantities.series_key, own_quantities.grain, own_quantities.period_start)
        own_quantities.*
    from own_quantities
    order by 1 asc, 2 asc, 3 asc, 6 desc, 4 asc
),

other_quantities as (
    select
        main_units.series_key,
        main_units.grain,
        main_units.period_start,
        sum(by_unit.usage_cost) filter (where other_days.months = 1)
        / nullif(sum(by_unit.quantity) filter (where other_days.months = 1), 0) as last_month_unit_cost,
        sum(by_unit.usage_cost) filter (where other_days.months = 12)
        / nullif(sum(by_unit.quantity) filter (where other_days.months = 12), 0) as last_year_unit_cost
    from other_days
    inner join by_unit
        on by_unit.account_id = other_days.account_id and by_unit.usage_date = other_days.usage_date
    inner join main_units
        on
            main_units.series_key = by_unit.series_key
            and main_units.unit = by_unit.unit
            and main_units.grain = other_days.grain
            and main_units.period_start = other_days.period_start
    group by 1, 2, 3
),

compared as (
    select
        own_sums.*,
        case when compared_periods.has_last_month then coalesce(other_sums.last_month_cost, 0) end
            as last_month_cost,
        case when compared_periods.has_last_year then coalesce(other_sums.last_year_cost, 0) end
            as last_year_cost,
        case when compared_periods.has_last_month then coalesce(other_sums.last_month_charges, 0) end
            as last_month_charges,
        main_units.unit,
        main_units.quantity,
        main_units.usage_cost / nullif(main_units.quantity, 0) as unit_cost,
        case when compared_periods.has_last_month then other_quantities.last_month_unit_cost end
            as last_month_unit_cost,
        case when compared_periods.has_last_year then other_quantities.last_year_unit_cost end
            as last_year_unit_cost
    from own_sums
    left join compared_periods
        on
            compared_periods.account_id = own_sums.account_id
            and compared_periods.grain = own_sums.grain
            and compared_periods.period_start = own_sums.period_start
    left join other_sums
        on
            other_sums.series_key = own_sums.series_key
            and other_sums.grain = own_sums.grain
            and other_sums.period_start = own_sums.period_start
    left join main_units
        on
            main_units.series_key = own_sums.series_key
            and main_units.grain = own_sums.grain
            and main_units.period_start = own_sums.period_start
    left join other_quantities
        on
            other_quantities.series_key = own_sums.series_key
            and other_quantities.grain = own_sums.grain
            and other_quantities.period_start = own_sums.period_start
    -- a month knows nothing of a service that neither it nor the one before was charged for
    where own_sums.grain <> 'month' or own_sums.charges > 0 or other_sums.last_month_charges > 0
)

select
    -- keys
    compared.grain,
    compared.provider,
    compared.account_id,
    compared.sub_account_id,
    compared.service_name,
    compared.billing_currency,
    compared.period_start,
    compared.period_end,

    -- how much of the period is known
    compared.loaded::integer as loaded_days,
    compared.is_whole,

    -- money, in billing_currency
    compared.effective_cost,
    compared.billed_cost,
    compared.usage_cost,
    case when compared.grain = 'day' then sums_so_far.cost_of_7_days / days_so_far.days_of_7 end
        as mean_7_days_cost,
    case when compared.grain = 'day' then sums_so_far.cost_of_28_days / days_so_far.days_of_28 end
        as mean_28_days_cost,
    case when compared.grain = 'day' then sums_so_far.cost_of_month end as month_to_date_cost,
    case compared.grain
        when 'day'
            then
                sums_so_far.cost_of_month
                + sums_so_far.usage_of_month
                * (
                    extract(day from date_trunc('month', compared.period_start) + interval '1 month - 1 day')
                    - days_so_far.days_of_month
                )
                / days_so_far.days_of_month
        when 'month' then
            compared.effective_cost
            + compared.usage_cost
            * (compared.period_end - compared.period_start + 1 - compared.loaded)
            / compared.loaded
    end as run_rate_cost,

    -- against the same days
    compared.last_month_cost,
    compared.effective_cost - compared.last_month_cost as last_month_delta,
    (compared.effective_cost - compared.last_month_cost) / nullif(compared.last_month_cost, 0)
        as last_month_growth,
    compared.last_year_cost,
    compared.effective_cost - compared.last_year_cost as last_year_delta,
    (compared.effective_cost - compared.last_year_cost) / nullif(compared.last_year_cost, 0)
        as last_year_growth,

    -- movers
    case
        when compared.last_month_cost is not null then row_number() over (
            partition by
                compared.account_id, compared.grain, compared.period_start, compared.billing_currency
            order by
                abs(compared.effective_cost - compared.last_month_cost) desc nulls last,
                compared.service_name asc,
                compared.sub_account_id asc
        )::integer
    end as mover_rank,
    case
        when compared.last_month_cost is not null then
            compared.charges > 0 and coalesce(compared.charged_before < compared.looks_back_to, true)
    end as is_new,
    case
        when compared.last_month_cost is null then null
        when compared.grain = 'month' then compared.charges = 0 and compared.last_month_charges > 0
        else compared.last_charged <= compared.loaded_through - 31
    end as is_gone,

    -- price of a unit
    compared.unit as pricing_unit,
    compared.quantity as pricing_quantity,
    compared.unit_cost,
    compared.last_month_unit_cost,
    compared.last_year_unit_cost
from compared
left join sums_so_far
    on
        compared.grain = 'day'
        and sums_so_far.series_key = compared.series_key
        and sums_so_far.usage_date = compared.period_start
left join days_so_far
    on
        compared.grain = 'day'
        and days_so_far.account_id = compared.account_id
        and days_so_far.usage_date = compared.period_start
