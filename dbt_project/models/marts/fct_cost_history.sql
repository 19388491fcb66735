{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['usage_date', 'account_id']}, {'columns': ['superseded_by']}],
        pre_hook=["{{ open_increment('fct_daily_costs') }}", "{{ take_superseded_lines() }}"],
        post_hook=["{{ close_increment() }}", "{{ create_as_of_functions() }}"]
    )
}}

-- grain: one row per account, UTC day, billing month, superseded delivery, service, charge category
-- and currency; one without money where the day stood empty
-- depends_on: {{ ref('int_costs_unioned') }}
-- depends_on: {{ ref('fct_daily_costs') }}
-- depends_on: {{ ref('fct_deliveries') }}
with

lines as (
    select
        lines.*,
        deliveries.finished_at as stood_from,
        successors.finished_at as stood_until
    from {{ this.identifier }}__lines as lines
    inner join {{ source('raw', 'deliveries') }} as deliveries on deliveries.id = lines.delivery_id
    inner join {{ source('raw', 'deliveries') }} as successors on successors.id = lines.superseded_by
),

charges as (
    {{ superseded_charges() }}
),

rules as (
    select * from {{ ref('provider_rules') }}
)

select
    -- keys
    lines.provider,
    lines.account_id,
    lines.usage_date,
    lines.billing_period,
    lines.delivery_id,
    lines.superseded_by,
    charges.service_name,
    charges.charge_category,
    charges.billing_currency,

    -- money, in billing_currency
    sum(charges.list_cost) as list_cost,
    sum(charges.contracted_cost) as contracted_cost,
    sum(charges.effective_cost) as effective_cost,
    sum(charges.billed_cost) as billed_cost,

    -- what stood, and for how long
    sum(lines.rows)::bigint as charges,
    lines.stood_from,
    lines.stood_until,
    bool_and(
        coalesce(charges.x_is_final, false)
        or coalesce(
            (rules.final_by = 'close' or lines.rows = 0)
            and (lines.seen_at at time zone 'UTC')::date
            >= (lines.billing_period + interval '1 month')::date + coalesce(rules.closes_on, 15) - 1
            and (lines.seen_at > lines.changed_at or lines.rows = 0),
            false
        )
    ) as is_final,
    bool_and(charges.invoice_id is not null) as is_invoiced
from lines
left join charges on charges.x_row_number = lines.id
left join rules on rules.provider = lines.provider
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16
