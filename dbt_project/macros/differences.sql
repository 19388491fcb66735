{#
    Incremental by difference of the result, for a small mart whose rows move for many reasons: a
    delivery, an acceptance, a later day that makes a gap of an earlier one, the calendar. A view says
    what all rows are; a build writes those that differ. So it equals a rebuild whatever the reason.
    For views that cost some microseconds a row: what is dear in them belongs into increments of
    their own.
#}

{# Pre-hook: note the rows of the view that the mart does not hold as they are, delete the others. #}
{% macro open_difference(view, keys) %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    select pg_advisory_xact_lock(hashtextextended('{{ this }}', 0));
    {% if is_incremental() %}
    {%- set columns = model.columns | list -%}
    {%- set held = adapter.get_columns_in_relation(this) | map(attribute='name') | list -%}
    create temporary table {{ changed_slices() }} on commit drop as
    select {{ keys | join(', ') }}, wanted.{{ keys[0] }} is not null as is_wanted
        {%- for column in columns if column not in keys %}, wanted.{{ column }}{% endfor %}
    from {{ ref(view) }} as wanted
    full join {{ this }} as mart using ({{ keys | join(', ') }})
    {%- if not columns | reject('in', held) | list %}
    where
        wanted.{{ keys[0] }} is null or mart.{{ keys[0] }} is null
        or (
            {%- for column in columns %}wanted.{{ column }}{{ ', ' if not loop.last }}{% endfor -%}
        ) is distinct from (
            {%- for column in columns %}mart.{{ column }}{{ ', ' if not loop.last }}{% endfor -%}
        )
    {%- endif %};
    analyze {{ changed_slices() }};
    delete from {{ this }} as mart
    using {{ changed_slices() }} as changed
    where {% for key in keys %}mart.{{ key }} = changed.{{ key }}{{ ' and ' if not loop.last }}{% endfor %};
    {% endif %}
    {%- endif -%}
{% endmacro %}

{# The rows to write: those that differ, or all. #}
{% macro of_difference(view) %}
    {%- if is_incremental() -%}
    select * from {{ changed_slices() }}
    where is_wanted
    {%- else -%}
    select * from {{ ref(view) }}
    {%- endif -%}
{% endmacro %}
