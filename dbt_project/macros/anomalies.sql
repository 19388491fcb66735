{#
    What the detector writes: the scores of days and the incidents that they make up. It runs after
    dbt over what dbt has built, so the marts are views of these tables and need no second build.
    An upgrade that adds a column adds it here, as `alter table ... add column if not exists`.
#}
{% macro create_anomaly_tables() %}
    create table if not exists intermediate.anomaly_scores (
        series_key text not null,
        scope text not null,
        provider text not null,
        account_id text not null,
        sub_account_id text,
        service_name text,
        billing_currency text not null,
        usage_date date not null,
        method text not null,
        actual_cost numeric not null,
        expected_cost numeric not null,
        lower_cost numeric not null,
        upper_cost numeric not null,
        score double precision not null,
        reason text
    );
    create index if not exists anomaly_scores_by_day
    on intermediate.anomaly_scores (account_id, usage_date);
    create index if not exists anomaly_scores_flagged
    on intermediate.anomaly_scores (account_id, series_key, usage_date) where reason is not null;
    create table if not exists intermediate.anomaly_incidents (
        anomaly_id text primary key,
        series_key text not null,
        scope text not null,
        provider text not null,
        account_id text not null,
        sub_account_id text,
        service_name text,
        billing_currency text not null,
        method text not null,
        start_date date not null,
        end_date date not null,
        flagged_days integer not null,
        peak_date date not null,
        peak_cost numeric not null,
        expected_cost numeric not null,
        lower_cost numeric not null,
        upper_cost numeric not null,
        excess_cost numeric not null,
        score double precision not null,
        reason text not null,
        severity text not null,
        drivers jsonb not null
    );
    create index if not exists anomaly_incidents_by_day
    on intermediate.anomaly_incidents (account_id, end_date);
    create index if not exists anomaly_incidents_by_series
    on intermediate.anomaly_incidents (series_key);
{% endmacro %}
