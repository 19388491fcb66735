{#
    Allocation: which attributes of a charge rules may look at; how patterns and keys of tags are
    compared. Charges with the same attributes are one set (int_charge_attributes), so rules are
    matched against sets, not against charges.
#}
{% macro allocation_dimensions() -%}
    {{ return(['team', 'cost_center', 'environment']) }}
{%- endmacro %}

{% macro matched_attributes() -%}
    {{ return([
        'provider', 'account_id', 'sub_account_id', 'sub_account_name', 'service_category',
        'service_name', 'region_id', 'charge_category', 'resource_id', 'resource_name'
    ]) }}
{%- endmacro %}

{# What a mart by team and so on tells apart beside them. #}
{% macro allocated_attributes() -%}
    {{ return([
        'provider', 'account_id', 'billing_account_id', 'sub_account_id', 'sub_account_name',
        'service_category', 'service_name', 'region_id', 'charge_category', 'billing_currency'
    ]) }}
{%- endmacro %}

{# Identity of a set of attributes: a row as text tells null from '' and where a value ends. #}
{% macro attributes_key(row) -%}
    md5(
        row(
            {{ row }}.provider,
            {{ row }}.account_id,
            {{ row }}.billing_account_id,
            {{ row }}.sub_account_id,
            {{ row }}.sub_account_name,
            {{ row }}.service_category,
            {{ row }}.service_name,
            {{ row }}.region_id,
            {{ row }}.charge_category,
            {{ row }}.billing_currency,
            {{ row }}.resource_id,
            {{ row }}.resource_name,
            {{ row }}.tags
        )::text
    )::uuid
{%- endmacro %}

{# `user:Cost-Center`, `cost_center` and `CostCenter` are one key. #}
{% macro tag_key(key) -%}
    regexp_replace(regexp_replace(lower(btrim({{ key }})), '^user:', ''), '[-_. ]+', '', 'g')
{%- endmacro %}

{# Tags by normalised key, without empty values; of several spellings the first in byte order counts. #}
{% macro normalised_tags(tags) -%}
    coalesce(
        case when jsonb_typeof({{ tags }}) = 'object' then (
            select jsonb_object_agg(spelt.key, spelt.value)
            from (
                select distinct on (1)
                    {{ tag_key('tag.key') }} as key,
                    lower(btrim(tag.value)) as value
                from jsonb_each_text({{ tags }}) as tag
                where btrim(tag.value) <> ''
                order by 1, tag.key collate "C"
            ) as spelt
        ) end,
        '{}'::jsonb
    )
{%- endmacro %}

{# A pattern as LIKE knows it: `*` and `?` are wild, what is wild there stands for itself. #}
{% macro like_pattern(pattern) -%}
    translate(
        replace(replace(replace(lower(btrim({{ pattern }})), '\', '\\'), '%', '\%'), '_', '\_'),
        '*?',
        '%_'
    )
{%- endmacro %}

{% macro like_patterns(list) -%}
    array(select {{ like_pattern('pattern.value') }} from jsonb_array_elements_text({{ list }}) as pattern)
{%- endmacro %}

{#
    Pre-hook, before open_increment: the rules as they stand at one instant, ready to be matched, and
    their fingerprint; one row without an id where there are none.
#}
{% macro take_allocation_rules() %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    create temporary table {{ this.identifier }}__rules on commit drop as
    select
        rules.id,
        rules.dimension,
        rules.position,
        coalesce(rules.valid_from, '-infinity') as valid_from,
        coalesce(rules.valid_to, 'infinity') as valid_to,
        {%- for name in matched_attributes() %}
        case
            when rules.conditions ? '{{ name }}'
                then {{ like_patterns("rules.conditions -> '" ~ name ~ "'") }}
        end as {{ name }},
        {%- endfor %}
        tags.keys as tag_keys,
        tags.patterns as tag_patterns,
        lower(btrim(rules.effect ->> 'value')) as value,
        {{ tag_key("rules.effect ->> 'tag'") }} as value_tag,
        rules.effect ? 'shares' or rules.effect ? 'proportional_to' as is_split,
        rules.effect -> 'shares' as shares,
        rules.effect -> 'proportional_to' as proportional_to,
        state.fingerprint
    from {{ source('app', 'allocation_state') }} as state
    left join {{ source('app', 'allocation_rules') }} as rules on rules.is_active
    left join lateral (
        -- a key in two spellings has to match both times
        select
            array_agg({{ tag_key('tag.key') }}) as keys,
            jsonb_agg(jsonb_build_array({{ tag_key('tag.key') }}, to_jsonb({{ like_patterns('tag.value') }})))
                as patterns
        from jsonb_each(rules.conditions -> 'tags') as tag
    ) as tags on true
    {%- endif -%}
{% endmacro %}

{% macro allocation_fingerprint() -%}
    (select '.' || min(fingerprint) from {{ this.identifier }}__rules)
{%- endmacro %}

{#
    Pre-hook, after open_increment: a share in proportion to what others cost depends on all accounts
    of a day, so with such a rule a changed day is taken whole.
#}
{% macro widen_to_whole_days(upstream) %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    insert into {{ changed_slices() }} (account_id, usage_date, billing_period, delivery_id)
    select slices.account_id, slices.usage_date, slices.billing_period, slices.delivery_id
    from ({{ upstream_slices(upstream) }}) as slices
    where
        exists (select 1 from {{ this.identifier }}__rules as rules where rules.proportional_to is not null)
        and slices.usage_date in (select usage_date from {{ changed_slices() }})
        and {{ is_not_yet_changed() }};
    {{ empty_changed_days() }}
    {%- endif -%}
{% endmacro %}

{# Of the slices of an insert into changed_slices(): those that stand there already stay out. #}
{% macro is_not_yet_changed() -%}
    not exists (
        select 1 from {{ changed_slices() }} as changed
        where
            changed.account_id = slices.account_id
            and changed.usage_date = slices.usage_date
            and changed.billing_period = slices.billing_period
    )
{%- endmacro %}

{# After more slices have been called changed: what the model holds of their days goes. #}
{% macro empty_changed_days() %}
    analyze {{ changed_slices() }};
    {% if is_incremental() %}
    delete from {{ this }} as mart
    using (select distinct account_id, usage_date from {{ changed_slices() }}) as changed
    where mart.account_id = changed.account_id and mart.usage_date = changed.usage_date;
    {% endif %}
{% endmacro %}

{#
    Pre-hook, after open_increment, of a model on fct_daily_allocated_costs: the slices that it wrote
    again since, for other rules or for another account's costs, though their delivery is the same.
#}
{% macro widen_to_rewritten(upstream) %}
    {%- if execute and flags.WHICH in ('run', 'build') -%}
    insert into {{ changed_slices() }} (account_id, usage_date, billing_period, delivery_id)
    select slices.account_id, slices.usage_date, slices.billing_period, slices.delivery_id
    from intermediate.built_slices as slices
    inner join intermediate.built_slices as own
        on
            own.model = '{{ this.identifier }}'
            and own.account_id = slices.account_id
            and own.usage_date = slices.usage_date
            and own.billing_period = slices.billing_period
    where
        slices.model = '{{ upstream }}'
        and slices.built_at > own.built_at
        and {{ is_not_yet_changed() }};
    {{ empty_changed_days() }}
    {%- endif -%}
{% endmacro %}

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

{#
    What a target gets of a cost: the difference of two cuts. Targets lie one after another, a cut is
    rounded to twelve decimals, the first is 0 and the last the whole cost, so the parts sum up to it
    whatever its sign and its decimals.
#}
{% macro part_of(cost, target) -%}
    case
        when {{ target }}.value is null then {{ cost }}
        else
            case
                when {{ target }}.is_last then {{ cost }}
                else round({{ cost }} * {{ target }}.weight_until / {{ target }}.weight_of_all, 12)
            end
            - round({{ cost }} * {{ target }}.weight_before / {{ target }}.weight_of_all, 12)
    end
{%- endmacro %}

{# The rows with those that the dimension splits exchanged for one per target. #}
{% macro split_by(relation, dimension) %}
    select
        {{ relation }}.provider,
        {{ relation }}.account_id,
        {{ relation }}.billing_account_id,
        {{ relation }}.sub_account_id,
        {{ relation }}.sub_account_name,
        {{ relation }}.service_category,
        {{ relation }}.service_name,
        {{ relation }}.region_id,
        {{ relation }}.charge_category,
        {{ relation }}.billing_currency,
        {{ relation }}.usage_date,
        {{ relation }}.billing_period,
        {%- for name in ['team', 'cost_center', 'environment'] %}
        {%- if name == dimension %}
        coalesce(targets.value, {{ relation }}.{{ name }}) as {{ name }},
        -- a split that finds nothing to split by leaves the cost unallocated
        case
            when {{ relation }}.{{ name }}_source = 'shared' and targets.value is null then 'unallocated'
            else {{ relation }}.{{ name }}_source
        end as {{ name }}_source,
        {%- else %}
        {{ relation }}.{{ name }},
        {{ relation }}.{{ name }}_source,
        {%- endif %}
        {{ relation }}.{{ name }}_rule_id,
        {%- endfor %}
        {%- for cost in ['list_cost', 'contracted_cost', 'effective_cost', 'billed_cost'] %}
        {{ part_of(relation ~ '.' ~ cost, 'targets') }} as {{ cost }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }}
    left join {{ this.identifier }}__targets as targets
        on
            targets.rule_id = {{ relation }}.{{ dimension }}_rule_id
            and targets.usage_date = {{ relation }}.usage_date
            and targets.billing_currency = {{ relation }}.billing_currency
{% endmacro %}
