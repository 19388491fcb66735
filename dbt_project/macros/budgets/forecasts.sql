{#
    Grain: one row per service of a provider that is forecast, with its category: which forecasts do
    not know. Found by the indexes, from one to the next: dim_services is replaced by each build, and
    takes along what reads it until that is created again.
#}
{% macro budget_services() %}
    with recursive

    named as (
        (
            select
                said.service_name,
                said.provider
            from intermediate.forecasts as said
            where said.scope = 'service'
            order by said.service_name, said.provider
            limit 1
        )
        union all
        select
            following.service_name,
            following.provider
        from named
        cross join lateral (
            select
                said.service_name,
                said.provider
            from intermediate.forecasts as said
            where
                said.scope = 'service'
                and (said.service_name, said.provider) > (named.service_name, named.provider)
            order by said.service_name, said.provider
            limit 1
        ) as following
    )

    select
        named.provider,
        named.service_name,
        filed.service_category
    from named
    left join lateral (
        select daily.service_category
        from {{ ref('fct_daily_costs') }} as daily
        where daily.provider = named.provider and daily.service_name = named.service_name
        order by daily.service_category
        limit 1
    ) as filed on true
{% endmacro %}

{#
    Months with cost to come of a row of budget_standings, up to the day to which forecasts reach:
    what they expect of the scope beyond what is booked.
#}
{% macro budget_forecasts(standing) %}
    select
        to_come.month,
        (to_come.month + interval '1 month')::date - 1 as month_end,
        sum(to_come.cost_to_come) as cost_to_come,
        sum(to_come.series)::bigint as series,
        sum(to_come.lower_to_come) as lower_to_come,
        sum(to_come.upper_to_come) as upper_to_come
    from (
        select
            expected.account_id,
            expected.month,
            expected.series,
            -- never less than what is booked already
            greatest(expected.rest_cost - coalesce(since.cost, 0), 0) as cost_to_come,
            case
                when held.reach is not null
                    then greatest({{ forecast_rest_bound('expected', 'held', '-') }} - coalesce(since.cost, 0), 0)
            end as lower_to_come,
            case
                when held.reach is not null
                    then greatest({{ forecast_rest_bound('expected', 'held', '') }} - coalesce(since.cost, 0), 0)
            end as upper_to_come
        from (
            select
                said.account_id,
                said.month,
                min(said.as_of) as as_of,
                count(*) as series,
                sum(said.rest_cost) as rest_cost,
                -- of one series, whose bounds they tell
                min(said.scope) as scope,
                min(said.method) as method,
                min(said.horizon) as horizon,
                min(said.scale) as scale
            from (
                -- forecasts know services of sub accounts, and whole accounts; regions and single
                -- categories of charges they do not know, and teams only over all accounts
                select
                    {{ standing }}.filters - array['provider', 'account_id', 'charge_category'] = '{}' as is_whole,
                    {{ budget_filters(standing) }}
                where
                    {{ standing }}.actual_cost is not null
                    and {{ standing }}.forecast_through is not null
                    and not {{ standing }}.filters ? 'region_id'
                    and not ({{ is_allocated(standing) }})
                    and {{ has_forecast_categories(standing) }}
                offset 0
            ) as scope
            cross join lateral (
                -- an account is forecast better as a whole than as the sum of its services
                select forecasts.*
                from intermediate.forecasts as forecasts
                where
                    scope.is_whole
                    and forecasts.scope = 'account'
                    and {{ within_filters('forecasts', 'scope', ['provider', 'account_id']) }}
                union all
                select forecasts.*
                from budget_services as services
                cross join lateral (
                    select every.*
                    from intermediate.forecasts as every
                    where
                        every.scope = 'service'
                        and every.service_name = services.service_name
                        and every.provider = services.provider
                        and {{ months_in_reach('every', standing) }}
                    offset 0
                ) as forecasts
                where
                    not scope.is_whole
                    and {{ within_filters('services', 'scope', ['provider', 'service_name', 'service_category']) }}
                    and {{ within_filters('forecasts', 'scope', ['account_id', 'sub_account_id']) }}
            ) as said
            where
                said.rest_cost <> 0
                and said.billing_currency = {{ standing }}.billing_currency
                and {{ months_in_reach('said', standing) }}
            group by said.account_id, said.month
        ) as expected
        left join intermediate.forecast_calibrations as held
            on
                expected.series = 1
                and held.scope = expected.scope
                and held.method = expected.method
                and held.horizon = expected.horizon
                and held.as_of = expected.as_of
        -- what came after the day of the forecast is part of the rest that it expects
        cross join lateral (
            select sum(costs.cost - costs.credit_cost) as cost
            from (
                select * from {{ ref('int_budget_days') }}
                union all
                select * from budget_costs_not_yet_built
            ) as costs
            where
                costs.budget_id = {{ standing }}.budget_id
                and costs.account_id = expected.account_id
                and costs.billing_currency = {{ standing }}.billing_currency
                and costs.usage_date > expected.as_of
                and costs.usage_date >= expected.month
                and costs.usage_date < (expected.month + interval '1 month')::date
        ) as since
    ) as to_come
    left join {{ source('app', 'accounts') }} as accounts on accounts.slug = to_come.account_id
    -- of an account that is paused or removed nothing more is expected
    where coalesce(accounts.state, 'active') = 'active'
    group by to_come.month
{% endmacro %}

{# Whole months of the period that end by the day to which forecasts reach. #}
{% macro months_in_reach(forecasts, standing) -%}
    {{ forecasts }}.month >= {{ standing }}.period_start
    and {{ forecasts }}.month
    <= (date_trunc('month', ({{ standing }}.forecast_through + 1)::timestamp) - interval '1 month')::date
{%- endmacro %}

{# Whether a budget takes all charges that a forecast is made of. #}
{% macro has_forecast_categories(budgets) -%}
    (
        not {{ budgets }}.filters ? 'charge_category'
        or {{ budgets }}.filters -> 'charge_category' ?& array['Usage', 'Tax', 'Purchase']
    )
{%- endmacro %}
