-- grain: one row per cloud resource, metric and UTC day
{%- set measured = [
    ref('stg_aws__utilisation'),
    ref('stg_snowflake__utilisation'),
] %}
{%- set columns = {
    'account_id': 'text',
    'provider': 'text',
    'usage_date': 'date',
    'x_delivery_id': 'bigint',
    'resource_id': 'text',
    'resource_type': 'text',
    'region_id': 'text',
    'metric': 'text',
    'unit': 'text',
    'average': 'numeric',
    'maximum': 'numeric',
    'minimum': 'numeric',
    'sum': 'numeric',
    'samples': 'numeric',
} %}
{{ union_of(measured, columns) }}
