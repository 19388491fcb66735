{#
    Rows of fct_cost_trends of grain day, of the CTE `service_days`: means and sums by difference of
    months to date, comparisons by the day itself. Joins by series and day only, which hash on any
    history; windows over 28 days of every row would be read again for each changed day.
#}
{% macro day_trends() %}
    select
        service_days.series_key,
        days.account_id,
        'day' as grain,
        days.usage_date as period_start,
        days.usage_date as period_end,
        1 as loaded_days,
        true as is_whole,
        days.has_month_before as has_last_month,
        days.has_year_before as has_last_year,
        service_days.effective_cost,
        service_days.billed_cost,
        service_days.usage_cost,
        (
            service_days.month_to_date_cost
            - coalesce(before_7.month_to_date_cost, 0)
            + case when days.usage_date - 7 < days.month then coalesce(last_month.month_to_date_cost, 0) else 0 end
        ) / days.days_of_7 as mean_7_days_cost,
        (
            service_days.month_to_date_cost
            - coalesce(before_28.month_to_date_cost, 0)
            + case when days.usage_date - 28 < days.month then coalesce(last_month.month_to_date_cost, 0) else 0 end
        ) / days.days_of_28 as mean_28_days_cost,
        service_days.month_to_date_cost,
        service_days.month_to_date_cost
        + service_days.month_to_date_usage_cost
        * (extract(day from days.month + interval '1 month - 1 day') - days.days_of_month)
        / days.days_of_month as run_rate_cost,
        coalesce(month_before.effective_cost, 0) as last_month_cost,
        coalesce(year_before.effective_cost, 0) as last_year_cost,
        service_days.charges > 0
        and coalesce(service_days.charged_before < service_days.usage_date - 31, true) as is_new,
        service_days.last_charged <= service_days.usage_date - 31 as is_gone,
        service_days.pricing_unit,
        service_days.pricing_quantity,
        service_days.unit_usage_cost,
        {%- for time in ['month', 'year'] %}
        case
            when {{ time }}_before.pricing_unit = service_days.pricing_unit then {{ time }}_before.pricing_quantity
            else unit_{{ time }}_before.pricing_quantity
        end as last_{{ time }}_quantity,
        case
            when {{ time }}_before.pricing_unit = service_days.pricing_unit then {{ time }}_before.unit_usage_cost
            else unit_{{ time }}_before.usage_cost
        end as last_{{ time }}_usage_cost{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ this.identifier }}__days as days
    {% if is_incremental() %}
    inner join {{ this.identifier }}__periods as periods
        on
            periods.account_id = days.account_id
            and periods.grain = 'day'
            and periods.period_start = days.usage_date
    {% endif %}
    inner join service_days
        on
            service_days.account_id = days.account_id
            and service_days.usage_date = days.usage_date
            and service_days.last_charged >= days.usage_date - 31
    {%- for name, day in [
        ('before_7', 'before_7'),
        ('before_28', 'before_28'),
        ('last_month', 'last_month_end'),
        ('month_before', 'a_month_before'),
        ('year_before', 'a_year_before'),
    ] %}
    left join service_days as {{ name }}
        on {{ name }}.series_key = service_days.series_key and {{ name }}.usage_date = days.{{ day }}
    {%- endfor %}
    {%- for time in ['month', 'year'] %}
    left join minor_units as unit_{{ time }}_before
        on
            unit_{{ time }}_before.series_key = service_days.series_key
            and unit_{{ time }}_before.usage_date = days.a_{{ time }}_before
            and unit_{{ time }}_before.pricing_unit = service_days.pricing_unit
    {%- endfor %}
{% endmacro %}
