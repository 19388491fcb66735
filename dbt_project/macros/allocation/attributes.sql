{#
    Allocation: which attributes of a charge rules may look at; how patterns and keys of tags are
    compared. Charges with the same attributes are one set (int_charge_attributes), so rules are
    matched against sets, not against charges.
#}
{% macro allocation_dimensions() -%}
    {{ return(['team', 'cost_center', 'environment']) }}
{%- endmacro %}

{% macro matched_attributes() -%}
    {{ return([
        'provider', 'account_id', 'sub_account_id', 'sub_account_name', 'service_category',
        'service_name', 'region_id', 'charge_category', 'resource_id', 'resource_name'
    ]) }}
{%- endmacro %}

{# What a mart by team and so on tells apart beside them. #}
{% macro allocated_attributes() -%}
    {{ return([
        'provider', 'account_id', 'billing_account_id', 'sub_account_id', 'sub_account_name',
        'service_category', 'service_name', 'region_id', 'charge_category', 'billing_currency'
    ]) }}
{%- endmacro %}

{# Identity of a set of attributes: a row as text tells null from '' and where a value ends. #}
{% macro attributes_key(row) -%}
    md5(
        row(
            {{ row }}.provider,
            {{ row }}.account_id,
            {{ row }}.billing_account_id,
            {{ row }}.sub_account_id,
            {{ row }}.sub_account_name,
            {{ row }}.service_category,
            {{ row }}.service_name,
            {{ row }}.region_id,
            {{ row }}.charge_category,
            {{ row }}.billing_currency,
            {{ row }}.resource_id,
            {{ row }}.resource_name,
            {{ row }}.tags
        )::text
    )::uuid
{%- endmacro %}
