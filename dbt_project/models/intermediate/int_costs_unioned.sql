-- grain: one row per charge, as FOCUS 1.2 names it
select * from {{ ref('stg_aws__costs') }}
union all
select * from {{ ref('stg_aws__costs_cur') }}
union all
select * from {{ ref('stg_aws__costs_focus') }}
union all
select * from {{ ref('stg_azure__costs') }}
union all
select * from {{ ref('stg_azure__costs_export') }}
union all
select * from {{ ref('stg_azure__costs_focus') }}
union all
select * from {{ ref('stg_focus__costs') }}
union all
select * from {{ ref('stg_snowflake__costs') }}
union all
select * from {{ ref('stg_openai__costs') }}
union all
select * from {{ ref('stg_anthropic__costs') }}
union all
select * from {{ ref('stg_snowflake__costs_metering') }}
