-- grain: one row per charge of a FOCUS file
with

costs as (
    select * from {{ source('raw', 'focus_costs') }}
)

{{ focus_charges('focus') }}
