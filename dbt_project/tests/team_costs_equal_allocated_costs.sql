{{ config(meta={'dagster': {'ref': {'name': 'fct_daily_team_costs'}}}) }}
-- Costs by team are the allocated costs to the last decimal, team by team, on every day just built.
with

days as (
    {{ days_just_built('fct_daily_team_costs') }}
),

by_team as (
    {{ rows_of_days(ref('fct_daily_team_costs'), 'days') }}
),

allocated as (
    {{ rows_of_days(ref('fct_daily_allocated_costs'), 'days') }}
),

sums_of_teams as (
    select
        team,
        account_id,
        billing_currency,
        usage_date,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost,
        sum(effective_cost) as effective_cost,
        sum(billed_cost) as billed_cost
    from by_team
    group by 1, 2, 3, 4
),

sums_of_allocated as (
    select
        team,
        account_id,
        billing_currency,
        usage_date,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost,
        sum(effective_cost) as effective_cost,
        sum(billed_cost) as billed_cost
    from allocated
    group by 1, 2, 3, 4
)

(select * from sums_of_teams except select * from sums_of_allocated)
union all
(select * from sums_of_allocated except select * from sums_of_teams)
