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
