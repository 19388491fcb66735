-- grain: one row per active rule, with the first day that it judges
with

rules as (
    select * from {{ source('app', 'alert_rules') }}
)

select
    rules.id as rule_id,
    rules.name as rule_name,
    rules.kind,
    rules.filters,
    rules.split_by,
    rules.grain,
    rules.cost_type,
    rules.billing_currency,
    rules.amount,
    rules.percent,
    rules.days,
    rules.budget_id,
    rules.severity,
    rules.starts_on,
    date_trunc(
        rules.grain,
        coalesce(
            {{ breaches_since() }},
            greatest(rules.starts_on, (date_trunc('month', '{{ var("today") }}'::date) - interval '1 month')::date)
        )
    )::date as judged_from,
    {{ breaches_since() }} is not null as is_backtest
from rules
where rules.is_active and rules.removed_at is null
