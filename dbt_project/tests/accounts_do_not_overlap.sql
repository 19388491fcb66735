{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_daily_costs'}}}) }}
-- A sub account is billed through one account. Where two bring costs of the same one on the same
-- day, a bill may have been added twice, as an export and as an API, say: its money counts twice.
with

days as (
    select distinct usage_date from ({{ days_just_built('fct_daily_costs') }}) as built
),

daily as (
    {{ rows_of_dates(ref('fct_daily_costs'), 'days') }}
)

select
    usage_date,
    sub_account_id,
    array_agg(distinct account_id order by account_id) as accounts
from daily
where sub_account_id is not null
group by 1, 2
having count(distinct account_id) > 1
