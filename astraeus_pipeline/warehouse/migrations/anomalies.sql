-- Schema app: what people said of anomalies. Every word is kept, the latest counts.

create table app.anomaly_feedback (
    id bigint generated always as identity primary key,
    series_key text not null,
    method text not null,
    start_date date not null,
    state text not null check (state in ('open', 'acknowledged', 'explained', 'dismissed')),
    note text,
    said_by text not null,
    said_at timestamptz not null default clock_timestamp()
);
create index anomaly_feedback_by_series on app.anomaly_feedback (series_key, start_date);
