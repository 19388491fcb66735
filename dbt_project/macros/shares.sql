{#
    Sharing out a cost so that the parts sum up to it, whatever rounding does: each part is rounded
    to six decimals, and the part of rank 1 takes what is left over.
#}

{# A part of `cost` by weight within a window; 0 where there is no weight at all. #}
{% macro share_of(cost, weight, window) -%}
    case
        when {{ cost }} is not null
            then coalesce(round({{ cost }} * {{ weight }} / nullif(sum({{ weight }}) over {{ window }}, 0), 6), 0)
    end
{%- endmacro %}

{# The part, with the rest where it is the one of rank 1. #}
{% macro share_with_rest(share, cost, rank, window) -%}
    case
        when {{ rank }} = 1 then {{ share }} + {{ cost }} - sum({{ share }}) over {{ window }}
        else {{ share }}
    end
{%- endmacro %}
