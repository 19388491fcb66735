{#
    Grain: one row per active budget, account and month with cost to come: what forecasts expect of
    the scope beyond what is booked
#}
{% macro budget_forecasts() %}
    with

    -- forecasts know services of sub accounts, and whole accounts; regions and single categories of
    -- charges they do not know, and teams only over all accounts
    scopes as (
        select
            budgets.id as budget_id,
            budgets.billing_currency,
            budgets.filters - array['provider', 'account_id', 'charge_category'] = '{}' as is_whole,
            {{ budget_filters('budgets') }}
        from {{ source('app', 'budgets') }} as budgets
        where
            budgets.is_active
            and not budgets.filters ? 'region_id'
            and not ({{ is_allocated('budgets') }})
            and (
                not budgets.filters ? 'charge_category'
                or budgets.filters -> 'charge_category' ?& array['Usage', 'Tax', 'Purchase']
            )
    ),

    -- by the index of fct_daily_costs: dim_services is replaced by each build, and takes along what
    -- reads it until that is created again
    services as (
        select
            named.provider,
            named.service_name,
            filed.service_category
        from (
            select distinct
                said.provider,
                said.service_name
            from {{ ref('fct_forecasts') }} as said
            where said.scope = 'service'
        ) as named
        cross join lateral (
            select daily.service_category
            from {{ ref('fct_daily_costs') }} as daily
            where daily.provider = named.provider and daily.service_name = named.service_name
            order by daily.service_category
            limit 1
        ) as filed
    ),

    forecasts as (
        select
            said.*,
            services.service_category
        from {{ ref('fct_forecasts') }} as said
        left join services
            on services.provider = said.provider and services.service_name = said.service_name
    ),

    -- an account is forecast better as a whole than as the sum of its services
    expected as (
        select
            scopes.budget_id,
            forecasts.account_id,
            forecasts.month,
            min(forecasts.as_of) as as_of,
            count(*) as series,
            sum(forecasts.forecast_cost - forecasts.booked_cost) as rest_cost,
            sum(forecasts.lower_cost - forecasts.booked_cost) as lower_rest,
            sum(forecasts.upper_cost - forecasts.booked_cost) as upper_rest
        from scopes
        inner join forecasts
            on
                forecasts.billing_currency = scopes.billing_currency
                and forecasts.scope = case when scopes.is_whole then 'account' else 'service' end
                and {{ within_filters('forecasts', 'scopes', [
                    'provider', 'account_id', 'sub_account_id', 'service_name', 'service_category'
                ]) }}
        where forecasts.forecast_cost <> forecasts.booked_cost
        group by scopes.budget_id, forecasts.account_id, forecasts.month
    ),

    -- what came after the day of the forecast is part of the rest that it expects
    costs as (
        select * from budget_costs
        where usage_date > (select min(expected.as_of) from expected)
    ),

    -- worked out once: the planner takes every step here for one row, and would do it for each
    since as materialized (
        select
            expected.budget_id,
            expected.account_id,
            expected.month,
            sum(costs.cost - costs.credit_cost) as cost
        from expected
        inner join scopes on scopes.budget_id = expected.budget_id
        inner join costs
            on
                costs.budget_id = expected.budget_id
                and costs.account_id = expected.account_id
                and costs.billing_currency = scopes.billing_currency
                and costs.usage_date > expected.as_of
                and costs.usage_date >= expected.month
                and costs.usage_date < expected.month + interval '1 month'
        group by expected.budget_id, expected.account_id, expected.month
    )

    select
        expected.budget_id,
        expected.account_id,
        expected.month,
        expected.as_of,
        expected.series,
        -- never less than what is booked already
        greatest(expected.rest_cost - coalesce(since.cost, 0), 0) as cost_to_come,
        case
            when expected.series = 1 and expected.lower_rest is not null
                then greatest(expected.lower_rest - coalesce(since.cost, 0), 0)
        end as lower_to_come,
        case
            when expected.series = 1 and expected.upper_rest is not null
                then greatest(expected.upper_rest - coalesce(since.cost, 0), 0)
        end as upper_to_come
    from expected
    left join since
        on
            since.budget_id = expected.budget_id
            and since.account_id = expected.account_id
            and since.month = expected.month
{% endmacro %}
