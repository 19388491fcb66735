-- Schema app: summaries of a week or month of costs, and their messages.

-- `team`: by allocation; null for all, whoever bears them. `filters`: members by dimension of the
-- Costs page ({"service": ["Compute"]}). Only periods that end on or after `starts_on` are told.
create table app.cost_summaries (
    id uuid primary key default gen_random_uuid(),
    name text not null check (name <> ''),
    period text not null check (period in ('week', 'month')),
    team text,
    filters jsonb not null default '{}' check (jsonb_typeof(filters) = 'object'),
    billing_currency text not null check (billing_currency ~ '^[A-Z]{3}$'),
    cost_type text not null default 'effective' check (cost_type in ('effective', 'billed', 'list', 'contracted')),
    owner text not null,
    is_active boolean not null default true,
    starts_on date not null default (clock_timestamp() at time zone 'utc')::date,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    removed_at timestamptz
);
create unique index cost_summaries_by_name on app.cost_summaries (name) where removed_at is null;

create table app.cost_summary_channels (
    summary_id uuid not null references app.cost_summaries (id),
    channel_id uuid not null references app.alert_channels (id),
    primary key (summary_id, channel_id)
);

-- One row per summary, period and channel. `sending` is committed before a message leaves;
-- `message_id` is the same at every attempt.
create table app.summary_deliveries (
    summary_id uuid not null references app.cost_summaries (id),
    period_start date not null,
    channel_id uuid not null references app.alert_channels (id),
    state text not null default 'sending' check (state in ('sending', 'sent', 'failed', 'dead')),
    attempts integer not null default 1,
    is_repeat_possible boolean not null default false,
    message_id text not null unique,
    last_error text,
    created_at timestamptz not null default clock_timestamp(),
    claimed_at timestamptz not null default clock_timestamp(),
    sent_at timestamptz,
    primary key (summary_id, period_start, channel_id)
);
create index summary_deliveries_open on app.summary_deliveries (state) where state <> 'sent';
