{# How a service was charged in each reached week, of the CTE `service_days`. #}
{% macro week_days() %}
    select
        service_days.series_key,
        service_days.account_id,
        days.week,
        max(service_days.last_charged) as last_charged,
        -- of the first charge in the week; null if none is known of
        min(service_days.charged_before) as charged_before
    from {{ this.identifier }}__days as days
    inner join service_days
        on
            service_days.account_id = days.account_id
            and service_days.usage_date = days.usage_date
            and service_days.last_charged >= days.usage_date - 31
    {% if is_incremental() %}
    inner join {{ this.identifier }}__periods as periods
        on
            periods.account_id = days.account_id
            and periods.grain = 'week'
            and periods.period_start = days.week
    {% endif %}
    group by 1, 2, 3
{% endmacro %}
