{#
    Grain: one row per active budget, period and account in its scope: one with costs there in the
    period or in the three months before
#}
{% macro budget_accounts() %}
    with

    periods as (
        select * from budget_periods
    ),

    rules as (
        select * from {{ ref('provider_rules') }}
    ),

    forecasts as (
        select
            said.account_id,
            max(said.as_of) as as_of
        from {{ ref('fct_forecasts') }} as said
        group by said.account_id
    ),

    months_of_costs as (
        select * from budget_sums
        where usage_date is null
    ),

    days as (
        select
            freshness.account_id,
            freshness.usage_date,
            freshness.state,
            freshness.is_gap
            or freshness.usage_date + coalesce(rules.settle_days, 3) <= '{{ var("today") }}'::date as is_due
        from {{ ref('fct_freshness') }} as freshness
        left join rules on rules.provider = freshness.provider
        where freshness.dataset = 'costs'
    ),

    months_of_days as (
        select
            days.account_id,
            date_trunc('month', days.usage_date::timestamp)::date as month,
            max(days.usage_date) filter (where days.state <> 'missing') as data_through,
            max(days.usage_date) filter (where days.state not in ('missing', 'partial')) as settled_through,
            count(*) filter (where days.state = 'missing' and days.is_due) as missing_days,
            count(*) filter (where days.state = 'partial') as partial_days,
            count(*) filter (where days.state = 'estimated') as estimated_days
        from days
        group by days.account_id, date_trunc('month', days.usage_date::timestamp)
    ),

    in_scope as (
        select
            periods.budget_id,
            periods.period_start,
            periods.period_end,
            periods.cost_type,
            periods.filters,
            months_of_costs.account_id,
            bool_or(months_of_costs.month >= periods.period_start) as has_costs,
            -- whether the last months were billed otherwise than they were used
            bool_or(months_of_costs.differs) as differs
        from periods
        inner join months_of_costs
            on
                months_of_costs.budget_id = periods.budget_id
                and months_of_costs.month between periods.period_start - interval '3 months' and periods.period_end
        group by
            periods.budget_id, periods.period_start, periods.period_end, periods.cost_type,
            periods.filters, months_of_costs.account_id
    ),

    -- of an account that is paused or removed nothing more is expected
    known as (
        select
            in_scope.*,
            coalesce(accounts.state, 'active') = 'active' as is_active,
            forecasts.as_of
        from in_scope
        left join {{ source('app', 'accounts') }} as accounts on accounts.slug = in_scope.account_id
        left join forecasts on forecasts.account_id = in_scope.account_id
        where in_scope.has_costs or coalesce(accounts.state, 'active') = 'active'
    ),

    delivered as (
        select
            known.budget_id,
            known.period_start,
            known.account_id,
            max(months_of_days.data_through) as data_through,
            max(months_of_days.settled_through) as settled_through,
            coalesce(sum(months_of_days.missing_days), 0)::bigint as missing_days,
            coalesce(sum(months_of_days.partial_days), 0)::bigint as partial_days,
            coalesce(sum(months_of_days.estimated_days), 0)::bigint as estimated_days
        from known
        left join months_of_days
            on
                months_of_days.account_id = known.account_id
                and months_of_days.month between known.period_start and known.period_end
        group by known.budget_id, known.period_start, known.account_id
    )

    select
        known.budget_id,
        known.period_start,
        known.account_id,
        known.is_active,
        delivered.data_through,
        delivered.settled_through,
        delivered.missing_days,
        delivered.partial_days,
        delivered.estimated_days,
        known.as_of,
        -- the last day up to which cost is known or forecast
        case
            when not known.is_active then known.period_end
            when
                (known.cost_type = 'billed' and known.differs)
                or known.filters ? 'region_id'
                or {{ is_allocated('known') }}
                or (
                    known.filters ? 'charge_category'
                    and not known.filters -> 'charge_category' ?& array['Usage', 'Tax', 'Purchase']
                )
                then least(known.as_of, known.period_end)
            when known.as_of is not null
                then
                    least(
                        (date_trunc('month', (known.as_of + 1)::timestamp) + interval '4 months')::date - 1,
                        known.period_end
                    )
        end as known_through
    from known
    inner join delivered
        on
            delivered.budget_id = known.budget_id
            and delivered.period_start = known.period_start
            and delivered.account_id = known.account_id
{% endmacro %}
