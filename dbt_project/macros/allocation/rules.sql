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
