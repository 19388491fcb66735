-- Schema raw: what replaced slices summed to, and what persons let in.

-- The rows that a delivery took away, summed by what decides their mapping to FOCUS (the contract's
-- `keys`): `line` is a row of `raw_table` with sums for amounts. One line without content, with no
-- rows, where an empty day was replaced. `seen_at`, `changed_at`: of the slice while it stood.
create table raw.superseded (
    id bigint generated always as identity primary key,
    account_id text not null,
    provider text not null,
    raw_table text not null,
    usage_date date not null,
    billing_period date not null,
    delivery_id bigint not null references raw.deliveries (id),
    superseded_by bigint not null references raw.deliveries (id),
    seen_at timestamptz not null,
    changed_at timestamptz,
    rows bigint not null,
    line jsonb not null default '{}'
);
create index superseded_by_day on raw.superseded (account_id, usage_date);

-- Days that were let in by a person: the rows by digest, and what spoke against them.
create table raw.acceptances (
    id bigint generated always as identity primary key,
    account_id text not null,
    dataset text not null,
    usage_date date not null,
    billing_period date not null,
    digest text not null,
    objection text,
    refused_delivery_id bigint not null references raw.deliveries (id),
    delivery_id bigint not null references raw.deliveries (id),
    replaced_rows bigint not null default 0,
    accepted_by text not null,
    reason text not null,
    accepted_at timestamptz not null default clock_timestamp()
);
create index acceptances_by_day on raw.acceptances (account_id, dataset, usage_date);
