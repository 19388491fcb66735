{# The first rule of a dimension that matches a set of attributes within an era. #}
{% macro first_rule(dimension) %}
    left join lateral (
        select
            rules.id,
            case
                when rules.is_split then null
                else coalesce(rules.value, sets.normalised_tags ->> rules.value_tag)
            end as value,
            rules.is_split
        from {{ this.identifier }}__rules as rules
        where
            rules.dimension = '{{ dimension }}'
            and rules.valid_from <= eras.first_day and rules.valid_to >= eras.last_day
            {%- for name in matched_attributes() %}
            and (rules.{{ name }} is null or lower(sets.{{ name }}) like any(rules.{{ name }}))
            {%- endfor %}
            and (rules.value_tag is null or sets.normalised_tags ? rules.value_tag)
            and (
                rules.tag_keys is null
                or (
                    sets.normalised_tags ?& rules.tag_keys
                    and not exists (
                        select 1 from jsonb_array_elements(rules.tag_patterns) as wanted
                        where
                            not sets.normalised_tags ->> (wanted.value ->> 0)
                            like any(array(select jsonb_array_elements_text(wanted.value -> 1)))
                    )
                )
            )
        order by rules.position
        limit 1
    ) as {{ dimension }} on true
{% endmacro %}

{#
    Pre-hook, after the two above: match the sets of the changed days against the rules, sum their
    costs up by what came out, and weigh each split on each day. An era is a span of days within
    which no rule begins or ends.

    In tables with statistics, since sizes differ by orders between one day and a whole history.
#}
{% macro match_allocation_rules() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    {%- set mart, costs = this.identifier, ref('int_daily_attribute_costs') -%}
    create temporary table {{ mart }}__days on commit drop as
    with edges as (
        select '-infinity'::date as day
        union
        select valid_from from {{ mart }}__rules
        union
        select valid_to + 1 from {{ mart }}__rules where isfinite(valid_to)
    ),

    eras as (
        select
            edges.day as first_day,
            coalesce(lead(edges.day) over (order by edges.day) - 1, 'infinity'::date) as last_day
        from edges
    )

    select
        changed.usage_date,
        eras.first_day,
        eras.last_day,
        array_agg(distinct changed.account_id) as accounts
    from {{ changed_slices() }} as changed
    inner join eras on changed.usage_date between eras.first_day and eras.last_day
    group by 1, 2, 3;
    analyze {{ mart }}__days;
    analyze {{ mart }}__rules;

    create temporary table {{ mart }}__matched on commit drop as
    select
        matched.*,
        dense_rank() over (
            order by
                {%- for name in allocated_attributes() %}
                matched.{{ name }},
                {%- endfor %}
                {%- for dimension in allocation_dimensions() %}
                matched.{{ dimension }}, matched.{{ dimension }}_rule_id{{ ',' if not loop.last }}
                {%- endfor %}
        ) as outcome
    from (
        select
            sets.attributes_key,
            eras.first_day,
            {%- for name in allocated_attributes() %}
            sets.{{ name }},
            {%- endfor %}
            {%- for dimension in allocation_dimensions() %}
            {{ dimension }}.value as {{ dimension }},
            case
                when {{ dimension }}.is_split then 'shared'
                when {{ dimension }}.id is not null then 'direct'
                else 'unallocated'
            end as {{ dimension }}_source,
            {{ dimension }}.id as {{ dimension }}_rule_id{{ ',' if not loop.last }}
            {%- endfor %}
        from (
            select attributes.*, {{ normalised_tags('attributes.tags') }} as normalised_tags
            from {{ ref('int_charge_attributes') }} as attributes
            {%- if is_incremental() %}
            where
                attributes.attributes_key in (
                    select found.attributes_key
                    from {{ mart }}__days as days
                    cross join lateral (
                        select every.attributes_key from {{ costs }} as every
                        where
                            every.usage_date = days.usage_date
                            and every.account_id = any(days.accounts)
                        offset 0
                    ) as found
                )
            {%- endif %}
            offset 0
        ) as sets
        cross join (select distinct first_day, last_day from {{ mart }}__days) as eras
        {%- for dimension in allocation_dimensions() %}
        {{ first_rule(dimension) }}
        {%- endfor %}
    ) as matched;

    create temporary table {{ mart }}__outcomes on commit drop as
    select attributes_key, first_day, outcome from {{ mart }}__matched;
    create index on {{ mart }}__outcomes (attributes_key, first_day);
    analyze {{ mart }}__outcomes;

    create temporary table {{ mart }}__keys on commit drop as
    select distinct on (matched.outcome)
        matched.outcome,
        {%- for name in allocated_attributes() %}
        matched.{{ name }},
        {%- endfor %}
        {%- for dimension in allocation_dimensions() %}
        matched.{{ dimension }},
        matched.{{ dimension }}_source,
        matched.{{ dimension }}_rule_id{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ mart }}__matched as matched
    order by matched.outcome;
    drop table {{ mart }}__matched;
    analyze {{ mart }}__keys;

    -- day by day, in the order of days: see by_changed_day
    create temporary table {{ mart }}__summed on commit drop as
    select summed.*
    from (select * from {{ mart }}__days order by usage_date) as days
    cross join lateral (
        select
            outcomes.outcome,
            costs.usage_date,
            costs.billing_period,
            sum(costs.list_cost) as list_cost,
            sum(costs.contracted_cost) as contracted_cost,
            sum(costs.effective_cost) as effective_cost,
            sum(costs.billed_cost) as billed_cost
        from {{ costs }} as costs
        inner join {{ mart }}__outcomes as outcomes on outcomes.attributes_key = costs.attributes_key
        where
            costs.usage_date = days.usage_date
            and costs.account_id = any(days.accounts)
            and outcomes.first_day = days.first_day
        group by 1, 2, 3
        offset 0
    ) as summed;
    analyze {{ mart }}__summed;

    create temporary table {{ mart }}__targets on commit drop as
    with sides as (
        select
            sides.*,
            summed.usage_date,
            keys.billing_currency,
            summed.effective_cost
        from {{ mart }}__summed as summed
        inner join {{ mart }}__keys as keys on keys.outcome = summed.outcome
        cross join lateral (
            values
            {%- for name in allocation_dimensions() %}
            ('{{ name }}', keys.{{ name }}, keys.{{ name }}_source, keys.{{ name }}_rule_id)
            {{- ',' if not loop.last }}
            {%- endfor %}
        ) as sides (dimension, value, source, rule_id)
        where exists (select 1 from {{ mart }}__rules where is_split)
    ),

    asked as (
        select sides.dimension, sides.rule_id, sides.usage_date, sides.billing_currency
        from sides
        where sides.source = 'shared'
        group by 1, 2, 3, 4
    ),

    bases as (
        select
            sides.dimension, sides.usage_date, sides.billing_currency, sides.value,
            sum(sides.effective_cost) as weight
        from sides
        where sides.source = 'direct'
        group by 1, 2, 3, 4
    ),

    weighted as (
        select asked.*, shares.key as value, shares.value::numeric as weight
        from asked
        inner join {{ mart }}__rules as rules on rules.id = asked.rule_id
        cross join lateral jsonb_each_text(rules.shares) as shares
        union all
        select asked.*, bases.value, bases.weight
        from asked
        inner join {{ mart }}__rules as rules on rules.id = asked.rule_id
        inner join bases
            on
                bases.dimension = asked.dimension
                and bases.usage_date = asked.usage_date
                and bases.billing_currency = asked.billing_currency
        where
            bases.weight > 0
            and (rules.proportional_to = '"all"'::jsonb or rules.proportional_to ? bases.value)
    )

    select
        weighted.*,
        sum(weighted.weight) over in_order - weighted.weight as weight_before,
        sum(weighted.weight) over in_order as weight_until,
        sum(weighted.weight) over whole as weight_of_all,
        row_number() over in_order = count(*) over whole as is_last
    from weighted
    window
        whole as (partition by weighted.rule_id, weighted.usage_date, weighted.billing_currency),
        in_order as (whole order by weighted.value);
    analyze {{ mart }}__targets;
    {%- endif -%}
{% endmacro %}
