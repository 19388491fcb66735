{{ config(post_hook="{{ confirm_loaded_slices() }}") }}
-- grain: one row, written by each build
-- depends_on: {{ ref('fct_daily_costs') }}
-- depends_on: {{ ref('fct_costs_by_dimension') }}
-- depends_on: {{ ref('fct_total_costs_by_dimension') }}
-- depends_on: {{ ref('fct_monthly_costs') }}
-- depends_on: {{ ref('fct_daily_team_costs') }}
-- depends_on: {{ ref('fct_team_costs') }}
-- depends_on: {{ ref('fct_tag_costs') }}
-- depends_on: {{ ref('fct_daily_resource_costs') }}
-- depends_on: {{ ref('fct_recent_resource_costs') }}
-- depends_on: {{ ref('fct_sku_costs') }}
-- depends_on: {{ ref('fct_total_sku_costs') }}
-- depends_on: {{ ref('fct_freshness') }}
-- depends_on: {{ ref('fct_restatements') }}
-- depends_on: {{ ref('fct_deliveries') }}
-- depends_on: {{ ref('fct_llm_usage') }}
-- depends_on: {{ ref('fct_cost_history') }}
-- depends_on: {{ ref('fct_reconciliations') }}
-- depends_on: {{ ref('dim_accounts') }}
-- depends_on: {{ ref('dim_services') }}
-- depends_on: {{ ref('dim_resources') }}
-- depends_on: {{ ref('fct_resource_utilisation') }}
-- depends_on: {{ ref('fct_provider_commitments') }}
-- depends_on: {{ ref('fct_provider_forecasts') }}
-- depends_on: {{ ref('fct_provider_anomalies') }}
select
    '{{ invocation_id }}' as invocation_id,
    clock_timestamp() as built_at
