-- grain: one row per row of usage, as both vendors tell it
select * from {{ ref('stg_openai__utilisation') }}
union all
select * from {{ ref('stg_anthropic__utilisation') }}
