{{ config(materialized='view') }}

-- grain: one row per account and key of a tag as it is spelt
with

attributes as (
    select * from {{ ref('int_charge_attributes') }}
)

select
    attributes.account_id,
    {{ tag_key('tag.key') }} as tag_key,
    tag.key as spelling,
    count(*) as sets
from attributes
cross join
    lateral jsonb_each_text(
        case when jsonb_typeof(attributes.tags) = 'object' then attributes.tags end
    ) as tag
where btrim(tag.value) <> ''
group by 1, 2, 3
