-- Schema raw: the ledger of deliveries and what the loader knows about each day.
-- The raw tables themselves follow from astraeus_pipeline.contracts (warehouse/ddl.py).

create table raw.deliveries (
    id bigint generated always as identity primary key,
    account_id text not null,
    provider text not null,
    dataset text not null,
    first_day date not null,
    last_day date not null,
    billing_period date,
    source text not null check (source in ('api', 'export', 'file')),
    source_name text not null,
    fetched_at timestamptz not null,
    finished_at timestamptz not null default clock_timestamp(),
    payload_uri text,
    payload_sha256 text,
    payload_bytes bigint,
    rows bigint not null default 0,
    quarantined_rows bigint not null default 0,
    days_replaced integer not null default 0,
    days_unchanged integer not null default 0,
    days_blocked integer not null default 0,
    days_refused integer not null default 0,
    sums jsonb not null default '{}',
    controls jsonb not null default '[]',
    state text not null check (state in ('loaded', 'unchanged', 'refused', 'quarantined', 'failed')),
    reason text,
    supersedes bigint references raw.deliveries (id),
    dagster_run_id text,
    requests integer not null default 0,
    request_cost_usd numeric not null default 0,
    accepted_by text,
    accepted_reason text,
    check (last_day >= first_day)
);
create index deliveries_by_account on raw.deliveries (account_id, dataset, first_day, id);

-- How each day of a delivery ended, unless it was merely seen again.
create table raw.delivery_days (
    delivery_id bigint not null references raw.deliveries (id),
    usage_date date not null,
    billing_period date not null,
    outcome text not null check (outcome in ('replaced', 'emptied', 'blocked', 'refused')),
    rows bigint not null,
    digest text not null,
    reason text,
    primary key (delivery_id, usage_date, billing_period)
);

-- What stands now, per account, day and billing month. `delivery_id` is null until a first load.
create table raw.partitions (
    account_id text not null,
    provider text not null,
    dataset text not null,
    usage_date date not null,
    billing_period date not null,
    delivery_id bigint references raw.deliveries (id),
    digest text,
    rows bigint not null default 0,
    sums jsonb not null default '{}',
    state text not null check (state in ('loaded', 'blocked', 'refused')),
    blocked_by bigint references raw.deliveries (id),
    seen_by bigint references raw.deliveries (id),
    seen_at timestamptz not null default clock_timestamp(),
    changed_at timestamptz,
    primary key (account_id, dataset, usage_date, billing_period)
);

-- What a later delivery changed in a day that had been loaded before.
create table raw.restatements (
    id bigint generated always as identity primary key,
    delivery_id bigint not null references raw.deliveries (id),
    supersedes bigint not null references raw.deliveries (id),
    account_id text not null,
    provider text not null,
    usage_date date not null,
    billing_period date not null,
    service text,
    charge_category text,
    currency text not null,
    cost_type text not null,
    old_cost numeric,
    new_cost numeric,
    delta numeric not null,
    old_rows bigint not null,
    new_rows bigint not null,
    restated_at timestamptz not null default clock_timestamp()
);
create index restatements_by_day on raw.restatements (account_id, usage_date);

create table raw.quarantine (
    id bigint generated always as identity primary key,
    delivery_id bigint not null references raw.deliveries (id),
    account_id text not null,
    dataset text not null,
    usage_date date,
    row_number bigint not null,
    raw_text text not null,
    reason text not null
);
create index quarantine_by_delivery on raw.quarantine (delivery_id);
