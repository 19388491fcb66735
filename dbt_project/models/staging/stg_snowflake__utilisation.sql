-- grain: one row per resource, metric and UTC day
with

utilisation as (
    select * from {{ source('raw', 'snowflake_utilisation') }}
)

select
    -- keys
    utilisation.account_id,
    'snowflake' as provider,
    utilisation.usage_date,
    utilisation.delivery_id as x_delivery_id,
    utilisation.resource_id,

    -- what is measured
    utilisation.resource_type,
    utilisation.region as region_id,
    utilisation.metric,
    utilisation.unit,

    -- statistics of the day's samples
    utilisation.average,
    utilisation.maximum,
    utilisation.minimum,
    utilisation.sum,
    utilisation.samples
from utilisation
