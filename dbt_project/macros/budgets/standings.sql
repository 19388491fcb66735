{# Grain: one row per active budget and period: what is booked in it, and how complete that is #}
{% macro budget_standings() %}
    with

    periods as (
        select * from budget_periods
    ),

    burns as (
        select * from budget_burns
    ),

    accounts as (
        select
            scoped.budget_id,
            scoped.period_start,
            count(*)::integer as accounts,
            count(*) filter (where scoped.is_active)::integer as active_accounts,
            max(scoped.data_through) as data_through,
            -- null as soon as one of them has no settled day
            case
                when bool_and(scoped.settled_through is not null) filter (where scoped.is_active)
                    then min(scoped.settled_through) filter (where scoped.is_active)
                when count(*) filter (where scoped.is_active) = 0 then max(scoped.settled_through)
            end as settled_through,
            sum(scoped.missing_days)::integer as missing_days,
            sum(scoped.partial_days)::integer as partial_days,
            sum(scoped.estimated_days)::integer as estimated_days,
            min(scoped.as_of) filter (where scoped.is_active) as forecast_as_of,
            case
                when bool_and(scoped.known_through is not null)
                    then min(scoped.known_through)
            end as forecast_through
        from budget_accounts as scoped
        group by scoped.budget_id, scoped.period_start
    ),

    booked as (
        select
            burns.budget_id,
            burns.period_start,
            sum(burns.cost) as actual_cost,
            sum(burns.cost) filter (where burns.usage_date <= accounts.settled_through) as settled_cost,
            min(burns.usage_date) filter (where burns.cumulative_cost > burns.budget_amount) as breach_date
        from burns
        inner join accounts
            on accounts.budget_id = burns.budget_id and accounts.period_start = burns.period_start
        group by burns.budget_id, burns.period_start
    ),

    -- by month before by period: most budgets have none of these, and days are many
    others as (
        select distinct
            costs.budget_id,
            costs.billing_currency,
            date_trunc('month', costs.usage_date::timestamp)::date as month
        from budget_sums as costs
        inner join {{ source('app', 'budgets') }} as budgets
            on budgets.id = costs.budget_id and budgets.billing_currency <> costs.billing_currency
        where costs.account_id is null
    ),

    currencies as (
        select
            periods.budget_id,
            periods.period_start,
            count(distinct others.billing_currency)::integer as other_currencies
        from periods
        inner join others
            on
                others.budget_id = periods.budget_id
                and others.month between periods.period_start and periods.period_end
        group by periods.budget_id, periods.period_start
    )

    select
        periods.*,
        coalesce(accounts.accounts, 0) as accounts,
        accounts.data_through,
        accounts.settled_through,
        coalesce(accounts.missing_days, 0) as missing_days,
        coalesce(accounts.partial_days, 0) as partial_days,
        coalesce(accounts.estimated_days, 0) as estimated_days,
        accounts.forecast_as_of,
        accounts.forecast_through,
        coalesce(currencies.other_currencies, 0) as other_currencies,
        -- nothing spent on days that came is 0, no day that came is unknown
        case when accounts.data_through is not null then coalesce(booked.actual_cost, 0) end as actual_cost,
        case when accounts.settled_through is not null then coalesce(booked.settled_cost, 0) end as settled_cost,
        case when booked.actual_cost > periods.budget_amount then booked.breach_date end as breach_date
    from periods
    left join accounts
        on accounts.budget_id = periods.budget_id and accounts.period_start = periods.period_start
    left join booked
        on booked.budget_id = periods.budget_id and booked.period_start = periods.period_start
    left join currencies
        on currencies.budget_id = periods.budget_id and currencies.period_start = periods.period_start
{% endmacro %}
