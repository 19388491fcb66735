{#
    One row: the accounts in the scope of a row of budget_periods, those with costs there in the
    period or in the three months before, and how complete their days are.
#}
{% macro budget_accounts(period) %}
    select
        count(*)::integer as accounts,
        max(known.data_through) as data_through,
        -- null as soon as one of them has no settled day
        case
            when bool_and(known.settled_through is not null) filter (where known.is_active)
                then min(known.settled_through) filter (where known.is_active)
            when count(*) filter (where known.is_active) = 0 then max(known.settled_through)
        end as settled_through,
        coalesce(sum(known.missing_days), 0)::integer as missing_days,
        coalesce(sum(known.partial_days), 0)::integer as partial_days,
        coalesce(sum(known.estimated_days), 0)::integer as estimated_days,
        min(known.as_of) filter (where known.is_active) as forecast_as_of,
        case
            when bool_and(known.known_through is not null) then min(known.known_through)
        end as forecast_through
    from (
        select
            coalesce(accounts.state, 'active') = 'active' as is_active,
            delivered.*,
            forecasts.as_of,
            -- the last day up to which cost is known or forecast
            case
                when coalesce(accounts.state, 'active') <> 'active' then {{ period }}.period_end
                when
                    ({{ period }}.cost_type = 'billed' and in_scope.differs)
                    or {{ period }}.filters ? 'region_id'
                    or {{ is_allocated(period) }}
                    or not {{ has_forecast_categories(period) }}
                    then least(forecasts.as_of, {{ period }}.period_end)
                when forecasts.as_of is not null
                    then
                        least(
                            (date_trunc('month', (forecasts.as_of + 1)::timestamp) + interval '4 months')::date - 1,
                            {{ period }}.period_end
                        )
            end as known_through
        from (
            select
                months.account_id,
                bool_or(months.month >= {{ period }}.period_start) as has_costs,
                -- whether the last months were billed otherwise than they were used
                bool_or(months.differs) as differs
            from budget_account_months as months
            where
                months.budget_id = {{ period }}.budget_id
                and months.month >= ({{ period }}.period_start - interval '3 months')::date
                and months.month <= {{ period }}.period_end
            group by months.account_id
        ) as in_scope
        left join {{ source('app', 'accounts') }} as accounts on accounts.slug = in_scope.account_id
        cross join lateral (
            select
                max(months.data_through) as data_through,
                max(months.settled_through) as settled_through,
                sum(months.missing_days) as missing_days,
                sum(months.partial_days) as partial_days,
                sum(months.estimated_days) as estimated_days
            from {{ ref('int_account_months') }} as months
            where
                months.account_id = in_scope.account_id
                and months.month between {{ period }}.period_start and {{ period }}.period_end
        ) as delivered
        cross join lateral (
            select max(said.as_of) as as_of
            from intermediate.forecasts as said
            where said.account_id = in_scope.account_id
        ) as forecasts
        -- of an account that is paused or removed nothing more is expected
        where in_scope.has_costs or coalesce(accounts.state, 'active') = 'active'
    ) as known
{% endmacro %}
