{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[
            {'columns': ['account_id', 'usage_date']},
            {'columns': ['resource_id', 'metric', 'usage_date']}
        ],
        pre_hook="{{ open_increment('raw.utilisation') }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per account, resource, metric and UTC day
with

utilisation as (
    {{ of_changed_days(ref('int_utilisation_unioned')) }}
)

select
    utilisation.provider,
    utilisation.account_id,
    utilisation.resource_id,
    utilisation.resource_type,
    utilisation.region_id,
    utilisation.metric,
    utilisation.unit,
    utilisation.usage_date,
    utilisation.average,
    utilisation.maximum,
    utilisation.minimum,
    utilisation.sum,
    utilisation.samples,
    utilisation.x_delivery_id
from utilisation
