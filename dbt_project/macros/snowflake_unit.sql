{# What Snowflake counts in, by how a line is rated. #}
{% macro snowflake_unit(rating_type) -%}
    case {{ rating_type }}
        when 'compute' then 'Credits'
        when 'storage' then 'TB'
        when 'data_transfer' then 'TB'
        when 'data transfer' then 'TB'
        else 'Units'
    end
{%- endmacro %}
