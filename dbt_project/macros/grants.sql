{# dbt recreates tables, so the readers' right to a mart is given anew with each build. #}
{% macro grant_to_readers() -%}
    grant select on {{ this }} to astraeus_reader, astraeus_app
{%- endmacro %}
