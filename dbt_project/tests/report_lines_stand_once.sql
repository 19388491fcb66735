{{ config(meta={'dagster': {'ref': {'name': 'fct_charges'}}}) }}
-- depends_on: {{ ref('fct_charges') }}
-- Id and time interval name one line of a Cost and Usage Report; the id alone repeats from hour to
-- hour. A line that stands twice is a file that was read twice, on any day just built.
with

days as (
    {{ days_just_built('fct_charges') }}
),

lines as (
    {{ rows_of_days(source('raw', 'aws_costs_cur'), 'days') }}
)

select
    account_id,
    billing_period,
    identity_line_item_id,
    identity_time_interval,
    count(*) as standing
from lines
where identity_line_item_id is not null and identity_time_interval is not null
group by 1, 2, 3, 4
having count(*) > 1
