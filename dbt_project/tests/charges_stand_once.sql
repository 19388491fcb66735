{{ config(meta={'dagster': {'ref': {'name': 'fct_charges'}}}) }}
-- No charge stands twice, on any day just built.
with

charges as (
    {{ just_built('fct_charges') }}
)

select charge_key
from charges
group by 1
having count(*) > 1
