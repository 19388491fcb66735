-- grain: one row per cloud resource and day of its account's inventory
{%- set inventories = [
    ref('stg_aws__resources'),
    ref('stg_azure__resources'),
    ref('stg_snowflake__resources'),
] %}
{%- set columns = {
    'account_id': 'text',
    'provider': 'text',
    'usage_date': 'date',
    'x_delivery_id': 'bigint',
    'resource_id': 'text',
    'resource_type': 'text',
    'resource_name': 'text',
    'sub_account_id': 'text',
    'region_id': 'text',
    'availability_zone': 'text',
    'state': 'text',
    'created_at': 'timestamptz',
    'instance_type': 'text',
    'size_gb': 'numeric',
    'iops': 'bigint',
    'throughput_mbps': 'numeric',
    'vcpus': 'numeric',
    'memory_gb': 'numeric',
    'architecture': 'text',
    'platform': 'text',
    'lifecycle': 'text',
    'attached_to': 'text',
    'attachment_state': 'text',
    'attached_at': 'timestamptz',
    'tags': 'jsonb',
} %}
{{ union_of(inventories, columns) }}
