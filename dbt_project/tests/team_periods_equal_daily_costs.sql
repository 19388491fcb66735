{{ config(meta={'dagster': {'ref': {'name': 'fct_team_costs'}}}) }}
-- The days, weeks and months just built are the daily costs by who bears them, row by row, to the last
-- decimal; `all`, so that a row that stands twice is found, too.
with

periods as materialized (
    {{ periods_just_built('fct_team_costs') }}
),

days_of_periods as materialized (
    {{ days_of_periods('periods') }}
),

daily as (
    {{ rows_of_days(ref('fct_daily_team_costs'), '(select distinct account_id, usage_date from days_of_periods)') }}
),

expected as (
    select
        periods.grain,
        periods.period_start,
        daily.team,
        daily.cost_center,
        daily.environment,
        daily.account_id,
        daily.billing_currency,
        daily.is_final,
        sum(daily.list_cost) as list_cost,
        sum(daily.contracted_cost) as contracted_cost,
        sum(daily.effective_cost) as effective_cost,
        sum(daily.billed_cost) as billed_cost
    from days_of_periods as periods
    inner join daily on daily.account_id = periods.account_id and daily.usage_date = periods.usage_date
    group by 1, 2, 3, 4, 5, 6, 7, 8
),

summed as (
    select
        costs.grain,
        costs.period_start,
        costs.team,
        costs.cost_center,
        costs.environment,
        costs.account_id,
        costs.billing_currency,
        costs.is_final,
        costs.list_cost,
        costs.contracted_cost,
        costs.effective_cost,
        costs.billed_cost
    from ({{ rows_of_periods(ref('fct_team_costs'), 'periods') }}) as costs
)

select grain, period_start, account_id, team, billed_cost from (
    (select * from expected except all select * from summed)
    union all
    (select * from summed except all select * from expected)
) as wrong
