-- grain: one row per charge of an AWS export in FOCUS
with

costs as (
    select * from {{ source('raw', 'aws_costs_focus') }}
)

{{ focus_charges('aws') }}
