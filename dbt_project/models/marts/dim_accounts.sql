{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        full_refresh=false,
        pre_hook="{{ keep_account_versions() }}"
    )
}}

-- grain: one row per account and version of its name and state (type 2); the figures of a version
-- that has ended are those of its end
with

accounts as (
    -- by name: the credentials beside these columns are closed to dbt
    select slug, provider, name, state, created_at from {{ source('app', 'accounts') }}
),

freshness as (
    select * from {{ ref('fct_freshness') }}
    where dataset = 'costs'
),

loaded as (
    select
        freshness.account_id,
        min(freshness.usage_date) as first_day,
        max(freshness.usage_date) filter (where freshness.delivery_id is not null) as data_through,
        max(freshness.seen_at) as last_delivery_at,
        count(*) filter (where freshness.held_back is not null) as blocked_days,
        min(freshness.usage_date) filter (where freshness.state not in ('final', 'invoiced')) as first_open_day,
        max(freshness.usage_date) as last_day
    from freshness
    group by 1
),

{% if is_incremental() %}
versions as (
    select
        account_id,
        max(valid_to) as valid_from
    from {{ this }}
    group by 1
),
{% endif %}

latest as (
    select
        accounts.slug as account_id,
        accounts.provider,
        accounts.name as account_name,
        accounts.state,
        loaded.first_day,
        loaded.data_through,
        coalesce(loaded.first_open_day - 1, loaded.last_day) as final_through,
        loaded.last_delivery_at,
        coalesce(loaded.blocked_days, 0) as blocked_days,
        accounts.created_at
    from accounts
    left join loaded on loaded.account_id = accounts.slug
)

select
    latest.account_id,
    latest.provider,
    latest.account_name,
    latest.state,
    latest.first_day,
    latest.data_through,
    case when latest.final_through >= latest.first_day then latest.final_through end as final_through,
    latest.last_delivery_at,
    latest.blocked_days,
    {% if is_incremental() %}
    coalesce(versions.valid_from, latest.created_at) as valid_from,
    {% else %}
    latest.created_at as valid_from,
    {% endif %}
    null::timestamp with time zone as valid_to,
    true as is_current
from latest
{% if is_incremental() %}
left join versions on versions.account_id = latest.account_id
{% endif %}
