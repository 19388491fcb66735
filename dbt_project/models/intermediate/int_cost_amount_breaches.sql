-- grain: one row per rule, scope and period whose cost exceeds the rule's amount
with

daily as (
    select * from {{ ref('int_rule_costs') }}
    where kind = 'cost_amount'
),

running as (
    select
        daily.*,
        sum(daily.cost) over (periods order by daily.usage_date) as cost_so_far,
        sum(daily.cost) over periods as period_cost,
        min(daily.state_rank) over periods as period_rank
    from daily
    window periods as (partition by daily.rule_id, daily.scope_key, daily.period_start)
),

-- the first day on which the sum lay above
crossed as (
    select distinct on (running.rule_id, running.scope_key, running.period_start) running.*
    from running
    where running.period_cost > running.amount and running.cost_so_far > running.amount
    order by running.rule_id, running.scope_key, running.period_start, running.usage_date
)

select
    crossed.rule_id,
    crossed.scope_key,
    crossed.grain || ' ' || crossed.period_start as period_key,
    crossed.scope,
    crossed.period_start,
    (crossed.period_start + ('1 ' || crossed.grain)::interval)::date - 1 as period_end,
    crossed.usage_date,
    crossed.period_cost as observed_value,
    crossed.amount as threshold_value,
    null::numeric as expected_value,
    'currency' as unit,
    crossed.billing_currency,
    crossed.cost_type,
    {{ state_of_rank('crossed.period_rank') }} as data_state,
    jsonb_build_object('grain', crossed.grain) as evidence
from crossed
