{{ config(meta={'dagster': {'ref': {'name': 'fct_tag_costs'}}}) }}
-- The days, weeks and months just built are the daily costs by tags, to the last decimal; `all`, so
-- that a row that stands twice is found, too.
with

periods as materialized (
    {{ periods_just_built('int_tag_costs') }}
),

days_of_periods as materialized (
    {{ days_of_periods('periods') }}
),

-- of all accounts: the costs of a day have no account, only their sets of attributes have
daily as (
    {{ rows_of_dates(ref('fct_daily_tag_costs'), '(select distinct usage_date from days_of_periods)') }}
),

expected as (
    select
        periods.grain,
        periods.period_start,
        daily.account_id,
        daily.tags,
        daily.billing_currency,
        sum(daily.list_cost) as list_cost,
        sum(daily.contracted_cost) as contracted_cost,
        sum(daily.effective_cost) as effective_cost,
        sum(daily.billed_cost) as billed_cost
    from days_of_periods as periods
    inner join daily on daily.account_id = periods.account_id and daily.usage_date = periods.usage_date
    group by 1, 2, 3, 4, 5
),

summed as (
    select
        costs.grain,
        costs.period_start,
        costs.account_id,
        costs.tags,
        costs.billing_currency,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost
    from ({{ rows_of_periods(ref('fct_tag_costs'), 'periods') }}) as costs
    group by 1, 2, 3, 4, 5
)

select grain, period_start, account_id, tags, billed_cost from (
    (select * from expected except all select * from summed)
    union all
    (select * from summed except all select * from expected)
) as wrong
