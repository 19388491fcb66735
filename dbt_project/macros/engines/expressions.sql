{#
    What PostgreSQL and Spark spell differently, in the models that read line items: each macro says
    it for PostgreSQL (`default__`), and once more for Spark.
#}

{# Spark's type of a column of ours; its decimals have a scale: that of contracts/line_items.py. #}
{% macro spark_type(type) -%}
    {{ return({
        'text': 'string',
        'jsonb': 'string',
        'numeric': 'decimal(38, 24)',
        'timestamptz': 'timestamp',
        'timestamp with time zone': 'timestamp',
    }.get(type, type)) }}
{%- endmacro %}

{% macro null_of(type) %}{{ return(adapter.dispatch('null_of')(type)) }}{% endmacro %}

{% macro default__null_of(type) -%}
    null::{{ type }}
{%- endmacro %}

{% macro spark__null_of(type) -%}
    cast(null as {{ spark_type(type) }})
{%- endmacro %}

{# One field of a JSON object, as text. #}
{% macro json_field(object, name) %}{{ return(adapter.dispatch('json_field')(object, name)) }}{% endmacro %}

{% macro default__json_field(object, name) -%}
    {{ object }} ->> '{{ name }}'
{%- endmacro %}

{% macro spark__json_field(object, name) -%}
    get_json_object({{ object }}, '$.{{ name }}')
{%- endmacro %}

{# The first letter of a word in upper case, the others in lower. #}
{% macro capitalised(word) %}{{ return(adapter.dispatch('capitalised')(word)) }}{% endmacro %}

{% macro default__capitalised(word) -%}
    initcap({{ word }})
{%- endmacro %}

{# Spark's initcap starts a word at white space only, PostgreSQL's after anything but a letter or digit. #}
{% macro spark__capitalised(word) -%}
    array_join(
        transform(
            split({{ word }}, '(?<![\\p{L}\\p{N}])|(?![\\p{L}\\p{N}])'),
            piece -> concat(upper(substring(piece, 1, 1)), lower(substring(piece, 2)))
        ),
        ''
    )
{%- endmacro %}

{# Whether a text matches a regular expression, somewhere in it. #}
{% macro matches(text, pattern, any_case=false) -%}
    {{ return(adapter.dispatch('matches')(text, pattern, any_case)) }}
{%- endmacro %}

{% macro default__matches(text, pattern, any_case) -%}
    {{ text }} ~{{ '*' if any_case }} '{{ pattern }}'
{%- endmacro %}

{% macro spark__matches(text, pattern, any_case) -%}
    {{ text }} rlike '{{ '(?i)' if any_case }}{{ pattern }}'
{%- endmacro %}

{# A text without all that matches a regular expression. #}
{% macro without(text, pattern) %}{{ return(adapter.dispatch('without')(text, pattern)) }}{% endmacro %}

{% macro default__without(text, pattern) -%}
    regexp_replace(
        {{ text }},
        '{{ pattern }}',
        '',
        'g'
    )
{%- endmacro %}

{% macro spark__without(text, pattern) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '')
{%- endmacro %}

{# The moment in which a day begins, or `later` than that (1 day, 1 month). #}
{% macro utc_midnight(day, later=none) -%}
    {{ return(adapter.dispatch('utc_midnight')(day, later)) }}
{%- endmacro %}

{% macro default__utc_midnight(day, later) -%}
    {%- if later -%}
    ({{ day }} + interval '{{ later }}') at time zone 'UTC'
    {%- else -%}
    {{ day }}::timestamp at time zone 'UTC'
    {%- endif -%}
{%- endmacro %}

{# The session's time zone is UTC (profiles.yml). #}
{% macro spark__utc_midnight(day, later) -%}
    cast({{ day }}{{ " + interval '" ~ later ~ "'" if later }} as timestamp)
{%- endmacro %}

{# A number without trailing zeros, where an engine keeps them. #}
{% macro trimmed(number) %}{{ return(adapter.dispatch('trimmed')(number)) }}{% endmacro %}

{% macro default__trimmed(number) -%}
    trim_scale({{ number }})
{%- endmacro %}

{% macro spark__trimmed(number) -%}
    {{ number }}
{%- endmacro %}

{# The same as text. #}
{% macro plain_number(number) %}{{ return(adapter.dispatch('plain_number')(number)) }}{% endmacro %}

{% macro default__plain_number(number) -%}
    trim_scale({{ number }})::text
{%- endmacro %}

{% macro spark__plain_number(number) -%}
    regexp_replace(regexp_replace(cast({{ number }} as string), '(\\.[0-9]*?)0+$', '$1'), '\\.$', '')
{%- endmacro %}

{#
    A product of two numbers. Spark has 38 digits for one, and takes as many decimals as both types
    have, so each number is multiplied in two parts: its first 12 decimals, and the rest. That the
    product has no more than 24 decimals `line-items order` has made sure of (contracts/line_items.py:
    PRODUCTS); then one of the rests is 0, and all is exact.
#}
{% macro product(left, right) %}{{ return(adapter.dispatch('product')(left, right)) }}{% endmacro %}

{% macro default__product(left, right) -%}
    {{ left }} * {{ right }}
{%- endmacro %}

{% macro spark__product(left, right) -%}
    (
        cast({{ first_decimals(left) }} * {{ first_decimals(right) }} as decimal(38, 24))
        + cast({{ first_decimals(left) }} * {{ other_decimals(right) }} as decimal(38, 24))
        + cast({{ other_decimals(left) }} * {{ first_decimals(right) }} as decimal(38, 24))
    )
{%- endmacro %}

{% macro first_decimals(number) -%}
    cast({{ number }} as decimal(26, 12))
{%- endmacro %}

{% macro other_decimals(number) -%}
    cast({{ number }} - {{ first_decimals(number) }} as decimal(24, 24))
{%- endmacro %}
