{# The category of a service: the provider's, else the one that we seed, else Other. #}
{% macro service_category() -%}
    coalesce(charges.service_category, service_categories.service_category, 'Other')
{%- endmacro %}

{#
    FOCUS files each subcategory below one category, and has an Other for each: ours is taken only
    where the category is the same as the provider's.
#}
{% macro service_subcategory() -%}
    coalesce(
        charges.service_subcategory,
        case
            when service_categories.service_category = {{ service_category() }}
                then service_subcategories.service_subcategory
        end,
        'Other (' || {{ service_category() }} || ')'
    )
{%- endmacro %}
