{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_daily_costs'}}}) }}
-- FOCUS: a service belongs to exactly one category. Shown where a provider's bill files it twice.
select
    provider,
    service_name,
    count(distinct service_category) as categories
from ({{ just_built('fct_daily_costs') }}) as daily
group by 1, 2
having count(distinct service_category) > 1
