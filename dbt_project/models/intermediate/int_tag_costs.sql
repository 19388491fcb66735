{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['grain', 'period_start', 'account_id']}],
        pre_hook=[
            "{{ open_increment('int_daily_attribute_costs', keeps_rows=true) }}",
            "{{ open_rollup() }}"
        ],
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per grain (day, week, month), account, set of attributes that stands for all of its
-- tags and currency, whether all costs of the day are final, and period. Each grain alone is the
-- whole bill: never sum across them.
with

-- a day is final where all of its account's costs are
finality as (
    select
        daily.account_id,
        daily.usage_date,
        daily.billing_period,
        bool_and(daily.is_final) as is_final
    from {{ ref('fct_daily_costs') }} as daily
    group by 1, 2, 3
),

summed as (
    select
        costs.account_id,
        costs.usage_date,
        sets.tags,
        sets.billing_currency,
        coalesce(finality.is_final, false) as is_final,
        -- any of those with these tags: where they stand once more, they need not be kept
        min(costs.attributes_key::text)::uuid as attributes_key,
        sum(costs.list_cost) as list_cost,
        sum(costs.contracted_cost) as contracted_cost,
        sum(costs.effective_cost) as effective_cost,
        sum(costs.billed_cost) as billed_cost
    from {{ ref('int_daily_attribute_costs') }} as costs
    inner join {{ ref('int_charge_attributes') }} as sets
        on sets.attributes_key = costs.attributes_key
    left join finality
        on
            finality.account_id = costs.account_id
            and finality.usage_date = costs.usage_date
            and finality.billing_period = costs.billing_period
    group by 1, 2, 3, 4, 5
),

{{ sums_by_period(
    keys=['attributes_key', 'billing_currency', 'is_final'],
    measures=['list_cost', 'contracted_cost', 'effective_cost', 'billed_cost']
) }}
