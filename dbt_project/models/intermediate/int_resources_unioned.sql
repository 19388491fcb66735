-- grain: one row per cloud resource and day of its account's inventory
select * from {{ ref('stg_aws__resources') }}
union all
select * from {{ ref('stg_azure__resources') }}
union all
select * from {{ ref('stg_snowflake__resources') }}
