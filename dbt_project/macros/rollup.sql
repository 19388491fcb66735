{#
    Sums by day, week and month. A changed day changes its own rows and those of the week and the
    month that it lies in; these are summed again from rows of days, of which a month has a few
    thousand.
#}
{#
    Each row of a relation once per dimension, with what it has there as `member`; of a service also
    its category, since one is looked at within the other.
#}
{% macro by_dimension(relation) %}
    {{ relation }}
    cross join lateral (
        values
        ('account', null::text, null::text),
        ('category', {{ relation }}.service_category, null),
        ('service', {{ relation }}.service_name, {{ relation }}.service_category),
        ('sub_account', {{ relation }}.sub_account_id, null),
        ('region', {{ relation }}.region_id, null),
        ('charge', {{ relation }}.charge_category, null),
        ('delivery', {{ relation }}.delivery_id::text, null)
    ) as dimensions (dimension, member, service_category)
{% endmacro %}

{# Pre-hook, after open_increment with keeps_rows: note the periods that changed, delete their rows. #}
{% macro open_rollup() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    create temporary table {{ this.identifier }}__periods on commit drop as
    select distinct
        changed.account_id,
        grains.grain,
        date_trunc(grains.grain, changed.usage_date)::date as period_start
    from {{ changed_slices() }} as changed
    cross join (values ('day'), ('week'), ('month')) as grains (grain);
    analyze {{ this.identifier }}__periods;
    {% if is_incremental() %}
    delete from {{ this }} as mart
    using {{ this.identifier }}__periods as periods
    where
        mart.account_id = periods.account_id and mart.grain = periods.grain
        and mart.period_start = periods.period_start
    {% endif %}
    {%- endif -%}
{% endmacro %}

{# The rows of days that stand, of the weeks and months that changed. #}
{% macro standing_rollup_days() %}
    select standing.*
    from (
        select distinct periods.account_id, every_day::date as usage_date
        from {{ this.identifier }}__periods as periods
        cross join
            lateral
            generate_series(
                periods.period_start,
                periods.period_start + ('1 ' || periods.grain)::interval - interval '1 day',
                interval '1 day'
            ) as every_day
    ) as days
    cross join lateral (
        select * from {{ this }} as every
        where
            every.account_id = days.account_id and every.period_start = days.usage_date
            and every.grain = 'day'
        offset 0
    ) as standing
{% endmacro %}

{# A sum of rows of `relation`: a quantity is of all charges or of none. #}
{% macro sum_again(relation, column) %}
    {%- if column == 'pricing_quantity' -%}
    case when count(*) = count({{ relation }}.{{ column }}) then sum({{ relation }}.{{ column }}) end
    {%- elif column == 'charges' -%}
    sum({{ relation }}.{{ column }})::bigint
    {%- else -%}
    sum({{ relation }}.{{ column }})
    {%- endif %} as {{ column }}
{%- endmacro %}

{#
    The rest of a mart of such sums, after the CTE `summed` that has the sums of days (account_id,
    usage_date, `keys`, `measures`). Periods lie in order of grain and first day, so that a page
    reads few blocks.
#}
{% macro sums_by_period(keys, measures) %}
changed_days as materialized (
    {{ by_changed_day('summed') }}
),

days as (
    select
        account_id,
        usage_date,
        {{ (keys + measures) | join(',\n        ') }}
    from changed_days
    {% if is_incremental() %}
    union all
    select
        standing.account_id,
        standing.period_start as usage_date,
        standing.{{ (keys + measures) | join(',\n        standing.') }}
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
        in_periods.{{ keys | join(',\n        in_periods.') }},
        {% for measure in measures -%}
        {{ sum_again('in_periods', measure) }}{{ ',' if not loop.last }}
        {% endfor %}
    from days_in_periods as in_periods
    inner join {{ this.identifier }}__periods as changed
        on
            changed.account_id = in_periods.account_id
            and changed.grain = in_periods.grain
            and changed.period_start = in_periods.period_start
    group by {{ range(1, keys | length + 4) | join(', ') }}
),

in_order as (
    select * from periods
    order by 1, 2
)

select
    'day' as grain,
    usage_date as period_start,
    account_id,
    {{ (keys + measures) | join(',\n    ') }}
from changed_days
union all
select * from in_order
{% endmacro %}

{# Pre-hook of the totals, after open_increment with keeps_rows: the same for all accounts at once. #}
{% macro open_totals() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    create temporary table {{ this.identifier }}__periods on commit drop as
    select distinct
        grains.grain,
        date_trunc(grains.grain, changed.usage_date)::date as period_start
    from {{ changed_slices() }} as changed
    cross join (values ('day'), ('week'), ('month')) as grains (grain);
    analyze {{ this.identifier }}__periods;
    {% if is_incremental() %}
    delete from {{ this }} as mart
    using {{ this.identifier }}__periods as periods
    where mart.grain = periods.grain and mart.period_start = periods.period_start
    {% endif %}
    {%- endif -%}
{% endmacro %}

{#
    The rows of a query that sums up by period, for the periods that changed: one by one, as each
    finds its rows by the index and its sums fit into memory.
#}
{% macro by_changed_period(query) %}
    select summed.*
    from (
        select grain, period_start from {{ this.identifier }}__periods
        order by period_start, grain
    ) as periods
    cross join lateral (
        select * from {{ query }} as every
        where every.period_start = periods.period_start and every.grain = periods.grain
        offset 0
    ) as summed
{% endmacro %}

{# Pre-hook of fct_monthly_costs, after open_increment with keeps_rows: the months that changed. #}
{% macro open_months() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    create temporary table {{ this.identifier }}__months on commit drop as
    select distinct
        account_id,
        date_trunc('month', usage_date)::date as month
    from {{ changed_slices() }};
    analyze {{ this.identifier }}__months;
    {% if is_incremental() %}
    delete from {{ this }} as mart
    using {{ this.identifier }}__months as months
    where mart.account_id = months.account_id and mart.month = months.month
    {% endif %}
    {%- endif -%}
{% endmacro %}
