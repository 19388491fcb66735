{{ config(meta={'dagster': {'ref': {'name': 'fct_daily_team_costs'}}}) }}
-- Costs by who bears them are the allocated costs to the last decimal, one by one, on every day just
-- built.
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
        team_source,
        team_rule_id,
        cost_center,
        cost_center_source,
        cost_center_rule_id,
        environment,
        environment_source,
        environment_rule_id,
        account_id,
        billing_currency,
        usage_date,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost,
        sum(effective_cost) as effective_cost,
        sum(billed_cost) as billed_cost
    from by_team
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
),

sums_of_allocated as (
    select
        team,
        team_source,
        team_rule_id,
        cost_center,
        cost_center_source,
        cost_center_rule_id,
        environment,
        environment_source,
        environment_rule_id,
        account_id,
        billing_currency,
        usage_date,
        sum(list_cost) as list_cost,
        sum(contracted_cost) as contracted_cost,
        sum(effective_cost) as effective_cost,
        sum(billed_cost) as billed_cost
    from allocated
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
)

(select * from sums_of_teams except select * from sums_of_allocated)
union all
(select * from sums_of_allocated except select * from sums_of_teams)
