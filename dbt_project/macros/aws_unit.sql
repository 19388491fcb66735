{# A unit of AWS in the spelling of FOCUS: Hrs are Hours, GB-Mo GB-Months, 1K tokens 1000 tokens. #}
{% macro aws_unit(unit) %}{{ return(adapter.dispatch('aws_unit')(unit)) }}{% endmacro %}

{% macro default__aws_unit(unit) -%}
    case
        when {{ unit }} ~* '^(hr|hrs|hour)$' then 'Hours'
        else
            regexp_replace(
                regexp_replace(
                    regexp_replace(
                        regexp_replace(
                            regexp_replace({{ unit }}, '^Lambda-', ''), '-(mo|month)$', '-Months', 'i'
                        ),
                        '-(hr|hrs|hour)$', '-Hours', 'i'
                    ),
                    '-(second|sec)$', '-Seconds', 'i'
                ),
                '^([0-9]+)K ', '\1000 '
            )
    end
{%- endmacro %}

{% macro spark__aws_unit(unit) -%}
    case
        when {{ unit }} rlike '(?i)^(hr|hrs|hour)$' then 'Hours'
        else
            regexp_replace(
                regexp_replace(
                    regexp_replace(
                        regexp_replace(
                            regexp_replace({{ unit }}, '^Lambda-', ''), '(?i)-(mo|month)$', '-Months'
                        ),
                        '(?i)-(hr|hrs|hour)$', '-Hours'
                    ),
                    '(?i)-(second|sec)$', '-Seconds'
                ),
                '^([0-9]+)K ', '$1000 '
            )
    end
{%- endmacro %}
