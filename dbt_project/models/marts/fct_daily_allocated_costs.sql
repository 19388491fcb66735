{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[
            {'columns': ['usage_date', 'account_id']},
            {'columns': ['team', 'usage_date']}
        ],
        pre_hook=[
            "{{ take_allocation_rules() }}",
            "{{ open_increment('int_daily_attribute_costs', also=allocation_fingerprint()) }}",
            "{{ widen_to_whole_days('int_daily_attribute_costs') }}",
            "{{ match_allocation_rules() }}"
        ],
        post_hook="{{ close_increment(also=allocation_fingerprint()) }}"
    )
}}

-- grain: one row per provider, account, billing and sub account, service, region, charge category,
-- billing currency, UTC day, billing month, and per team, cost centre, environment and the rules
-- that found them. A row is split by one dimension after the other, so each sum stays exact.
-- depends_on: {{ ref('int_charge_attributes') }}
-- depends_on: {{ ref('int_daily_attribute_costs') }}
-- depends_on: {{ source('app', 'allocation_rules') }}
-- depends_on: {{ source('app', 'allocation_state') }}
with

costs as (
    select
        keys.*,
        summed.usage_date,
        summed.billing_period,
        summed.list_cost,
        summed.contracted_cost,
        summed.effective_cost,
        summed.billed_cost
    from {{ this.identifier }}__summed as summed
    inner join {{ this.identifier }}__keys as keys on keys.outcome = summed.outcome
),

split_by_team as (
    {{ split_by('costs', 'team') }}
),

split_by_cost_center as (
    {{ split_by('split_by_team', 'cost_center') }}
),

split_by_environment as (
    {{ split_by('split_by_cost_center', 'environment') }}
)

select * from split_by_environment
