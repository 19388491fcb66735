{# The provider's totals that came with the deliveries that a query names, one row each. #}
{% macro stated_totals(deliveries) %}
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
    where deliveries.id in ({{ deliveries }})
{% endmacro %}

{# Those of the CTE `controls` that are totals of a FOCUS cost. #}
{% macro stated_focus_costs() %}
    select
        controls.*,
        known.cost_type
    from controls
    inner join ({{ controls_of_focus_costs() }}) as known
        on known.raw_table = controls.raw_table and known.control_type = controls.control_type
{% endmacro %}
