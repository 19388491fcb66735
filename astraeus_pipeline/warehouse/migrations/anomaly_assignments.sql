-- Schema app: who looks after an anomaly. Every assignment is kept, the latest counts.

create table app.anomaly_assignments (
    id bigint generated always as identity primary key,
    series_key text not null,
    method text not null,
    start_date date not null,
    -- email of a person; null for nobody any more
    assigned_to text check (assigned_to <> ''),
    assigned_by text not null,
    assigned_at timestamptz not null default clock_timestamp()
);
create index anomaly_assignments_by_series on app.anomaly_assignments (series_key, start_date);
