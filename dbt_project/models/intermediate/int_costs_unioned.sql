-- grain: one row per charge, as FOCUS 1.2 names it
{% for staged in staged_costs() -%}
select * from {{ ref(staged) }}
{% if not loop.last -%}
union all
{% endif -%}
{%- endfor %}
