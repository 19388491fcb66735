{#
    What weeks and months are made of, of the CTEs `days_summed` and `unit_costs`: each day counts for
    its own period and for those that compare themselves with it, so days are summed once and the few
    sums then added. Sums of days that count alike stand in one row.
#}
{% macro period_sums() %}
    {%- for grain, month_later, year_later in [
        ('week', 'is_compared_4_weeks_after', 'is_compared_52_weeks_after'),
        ('month', 'is_compared_a_month_after', 'is_compared_a_year_after'),
    ] %}
    select
        unit_costs.series_key,
        days.{{ grain }} as period_start,
        unit_costs.pricing_unit,
        days.{{ month_later }} as is_compared_a_month_later,
        days.{{ year_later }} as is_compared_a_year_later,
        days.account_id,
        '{{ grain }}' as grain,
        sum(unit_costs.effective_cost) as effective_cost,
        sum(unit_costs.billed_cost) as billed_cost,
        sum(unit_costs.usage_cost) as usage_cost,
        sum(unit_costs.pricing_quantity) as pricing_quantity,
        sum(unit_costs.charges) as charges
    from days_summed as days
    inner join unit_costs on unit_costs.account_id = days.account_id and unit_costs.usage_date = days.usage_date
    {% if is_incremental() %}
    where days.is_of_{{ grain }}
    {% endif %}
    group by 1, 2, 3, 4, 5, 6
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{% endmacro %}

{#
    Each sum once for its own period, once for each that is compared with it, and what is known of a
    service's week whether or not it was charged in it; of the CTEs `period_sums` and `week_days`.
#}
{% macro period_roles() %}
    {%- for role, later, is_counted in [
        ('own', 'period_start', 'true'),
        (
            'last_month',
            '(case grain when \'week\' then period_start + 28 else period_start + interval \'1 month\' end)::date',
            'is_compared_a_month_later'
        ),
        (
            'last_year',
            '(case grain when \'week\' then period_start + 364 else period_start + interval \'1 year\' end)::date',
            'is_compared_a_year_later'
        ),
    ] %}
    select
        series_key,
        pricing_unit,
        account_id,
        grain,
        {{ later }} as period_start,
        '{{ role }}' as role,
        {{ is_counted }} as is_counted,
        effective_cost,
        billed_cost,
        usage_cost,
        pricing_quantity,
        charges,
        null::date as last_charged,
        null::date as charged_before
    from period_sums
    union all
    {%- endfor %}
    select series_key, null, account_id, 'week', week, 'own', true, 0, 0, 0, null, 0, last_charged, charged_before
    from week_days
{% endmacro %}

{#
    Rows of fct_cost_trends of grains week and month, of the CTE `period_roles`. Nothing is joined
    after the sums, whose number no planner can know.
#}
{% macro period_trends() %}
    with
    by_unit as (
        select
            roles.series_key,
            roles.grain,
            roles.period_start,
            roles.pricing_unit,
            {%- for column in [
                'account_id', 'period_end', 'loaded_days', 'loaded_through', 'is_whole', 'has_last_month',
                'has_last_year',
            ] %}
            periods.{{ column }},
            {%- endfor %}
            sum(roles.billed_cost) filter (where roles.role = 'own') as own_billed_cost,
            -- to know whether it was charged at all, on whichever days
            sum(roles.charges) filter (where roles.role = 'last_month') as charges_before,
            {%- for role in ['own', 'last_month', 'last_year'] %}
            {%- for column in ['effective_cost', 'usage_cost', 'pricing_quantity', 'charges'] %}
            sum(roles.{{ column }}) filter (where roles.role = '{{ role }}' and roles.is_counted)
                as {{ role }}_{{ column }},
            {%- endfor %}
            {%- endfor %}
            max(roles.last_charged) as last_charged,
            max(roles.charged_before) as charged_before
        from period_roles as roles
        inner join {{ this.identifier }}__periods as periods
            on
                periods.account_id = roles.account_id
                and periods.grain = roles.grain
                and periods.period_start = roles.period_start
        group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    ),
    -- a service is measured by the unit that most of its usage cost is in
    ranked as (
        select
            by_unit.*,
            by_unit.own_pricing_quantity is not null
            and row_number() over (
                partition by by_unit.series_key, by_unit.grain, by_unit.period_start
                order by
                    by_unit.own_pricing_quantity is null asc,
                    by_unit.own_usage_cost desc,
                    by_unit.pricing_unit asc
            ) = 1 as is_main
        from by_unit
    ),
    by_service as (
        select
            ranked.series_key,
            ranked.grain,
            ranked.period_start,
            ranked.account_id,
            ranked.period_end,
            ranked.loaded_days,
            ranked.loaded_through,
            ranked.is_whole,
            ranked.has_last_month,
            ranked.has_last_year,
            max(ranked.last_charged) as last_charged,
            max(ranked.charged_before) as charged_before,
            coalesce(sum(ranked.own_effective_cost), 0) as effective_cost,
            coalesce(sum(ranked.own_billed_cost), 0) as billed_cost,
            coalesce(sum(ranked.own_usage_cost), 0) as usage_cost,
            coalesce(sum(ranked.own_charges), 0) as charges,
            coalesce(sum(ranked.charges_before), 0) as charges_before,
            coalesce(sum(ranked.last_month_charges), 0) as last_month_charges,
            coalesce(sum(ranked.last_month_effective_cost), 0) as last_month_cost,
            coalesce(sum(ranked.last_year_effective_cost), 0) as last_year_cost,
            max(ranked.pricing_unit) filter (where ranked.is_main) as pricing_unit,
            {%- for role in ['own', 'last_month', 'last_year'] %}
            sum(ranked.{{ role }}_pricing_quantity) filter (where ranked.is_main) as {{ role }}_quantity,
            sum(ranked.{{ role }}_usage_cost) filter (where ranked.is_main)
                as {{ role }}_usage_cost{{ ',' if not loop.last }}
            {%- endfor %}
        from ranked
        group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    )
    select
        by_service.series_key,
        by_service.account_id,
        by_service.grain,
        by_service.period_start,
        by_service.period_end,
        by_service.loaded_days,
        by_service.is_whole,
        by_service.has_last_month,
        by_service.has_last_year,
        by_service.effective_cost,
        by_service.billed_cost,
        by_service.usage_cost,
        null::numeric as mean_7_days_cost,
        null::numeric as mean_28_days_cost,
        null::numeric as month_to_date_cost,
        case
            when by_service.grain = 'month' then
                by_service.effective_cost
                + by_service.usage_cost
                * (by_service.period_end - by_service.period_start + 1 - by_service.loaded_days)
                / by_service.loaded_days
        end as run_rate_cost,
        by_service.last_month_cost,
        by_service.last_year_cost,
        by_service.charges > 0
        and case by_service.grain
            when 'month' then by_service.charges_before = 0
            -- not charged in the 31 days before the week
            else not coalesce(
                by_service.charged_before between by_service.period_start - 31 and by_service.period_start - 1,
                false
            )
        end as is_new,
        case by_service.grain
            when 'month' then by_service.charges = 0
            else by_service.last_charged <= by_service.loaded_through - 31
        end as is_gone,
        by_service.pricing_unit,
        by_service.own_quantity as pricing_quantity,
        by_service.own_usage_cost as unit_usage_cost,
        by_service.last_month_quantity,
        by_service.last_month_usage_cost,
        by_service.last_year_quantity,
        by_service.last_year_usage_cost
    from by_service
    where case by_service.grain
        -- a month knows nothing of a service that neither it nor the one before was charged for
        when 'month' then by_service.charges > 0 or by_service.last_month_charges > 0
        else by_service.last_charged is not null
    end
{% endmacro %}
