-- grain: one row per charge of a vendor of language models
select * from {{ ref('stg_openai__costs') }}
union all
select * from {{ ref('stg_anthropic__costs') }}
