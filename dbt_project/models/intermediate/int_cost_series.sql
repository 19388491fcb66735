{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['series_key'], 'unique': true}],
        pre_hook="{{ open_increment('fct_daily_sku_costs', keeps_rows=true) }}",
        post_hook="{{ close_increment() }}"
    )
}}

-- grain: one row per account, sub account, service and billing currency that was ever charged
with

costs as (
    {{ of_changed_days(ref('fct_daily_sku_costs')) }}
),

series as (
    select distinct
        costs.provider,
        costs.account_id,
        costs.sub_account_id,
        costs.service_name,
        costs.billing_currency
    from costs
),

named as (
    select
        {{ service_key('series') }} as series_key,
        series.provider,
        series.account_id,
        series.sub_account_id,
        series.service_name,
        series.billing_currency
    from series
)

select * from named
{% if is_incremental() %}
where
    not exists (
        select 1 from {{ this }} as known
        where known.series_key = named.series_key
    )
{% endif %}
