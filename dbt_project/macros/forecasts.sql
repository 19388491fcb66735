{#
    What the forecaster writes, after dbt over what dbt has built: the marts are views of it.
    An upgrade that adds a column adds it here, as `alter table ... add column if not exists`.
#}
{% macro create_forecast_tables() %}
    create table if not exists intermediate.forecasts (
        series_key text not null,
        scope text not null,
        provider text not null,
        account_id text not null,
        sub_account_id text,
        service_name text,
        billing_currency text not null,
        method text not null,
        as_of date not null,
        month date not null,
        horizon integer not null,
        booked_cost numeric not null,
        rest_cost numeric not null,
        scale double precision not null
    );
    create index if not exists forecasts_by_account on intermediate.forecasts (account_id, month);
    create index if not exists forecasts_by_day on intermediate.forecasts (account_id, as_of);
    create index if not exists forecasts_by_service
    on intermediate.forecasts (scope, service_name, provider, month);
    create table if not exists intermediate.forecast_errors (
        series_key text not null,
        scope text not null,
        provider text not null,
        account_id text not null,
        sub_account_id text,
        service_name text,
        billing_currency text not null,
        method text not null,
        as_of date not null,
        month date not null,
        horizon integer not null,
        booked_cost numeric not null,
        rest_cost numeric not null,
        actual_cost numeric not null,
        scale double precision not null,
        log_error double precision not null
    );
    create index if not exists forecast_errors_by_account
    on intermediate.forecast_errors (account_id, series_key);
    create table if not exists intermediate.forecast_calibrations (
        scope text not null,
        method text not null,
        horizon integer not null,
        as_of date not null,
        reach double precision,
        months integer not null,
        errors integer not null,
        primary key (scope, method, horizon, as_of)
    );
    -- a team lies across accounts and providers
    {%- for table in ['forecasts', 'forecast_errors'] %}
    alter table intermediate.{{ table }} add column if not exists team text;
    alter table intermediate.{{ table }} alter column provider drop not null;
    alter table intermediate.{{ table }} alter column account_id drop not null;
    {%- endfor %}
{% endmacro %}

{# A bound of a month: what is booked, and of the rest so much less or more; null without errors. #}
{% macro forecast_bound(said, held, sign) -%}
    case
        when {{ held }}.reach is not null
            then {{ said }}.booked_cost + {{ forecast_rest_bound(said, held, sign) }}
    end
{%- endmacro %}

{# A bound of the rest alone. #}
{% macro forecast_rest_bound(said, held, sign) -%}
    round({{ said }}.rest_cost * exp({{ sign }}least({{ held }}.reach * {{ said }}.scale, 3.0))::numeric, 6)
{%- endmacro %}
