{# One series: a service of a sub account, or all services of an account, in one currency. #}
{% macro series_key(row) -%}
    md5(
        concat_ws(
            '|',
            {{ row }}.scope,
            {{ row }}.account_id,
            coalesce({{ row }}.sub_account_id, chr(1)),
            coalesce({{ row }}.service_name, chr(1)),
            {{ row }}.billing_currency
        )
    )
{%- endmacro %}
