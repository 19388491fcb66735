-- Schema app: rules, what they raised, and the outbox of messages.

-- `filters`: members by dimension of the Costs page ({"service": ["Compute"]}); `split_by`: the
-- dimension whose members are judged one by one, null for the sum of all. Amounts are in
-- billing_currency. Only periods that end on or after `starts_on` become alerts.
create table app.alert_rules (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    kind text not null check (
        kind in (
            'cost_amount', 'cost_change', 'budget', 'anomaly', 'forecast', 'stale_feed', 'residual',
            'resource_anomaly'
        )
    ),
    filters jsonb not null default '{}' check (jsonb_typeof(filters) = 'object'),
    split_by text check (split_by in ('provider', 'category', 'service', 'account', 'sub_account', 'region', 'charge')),
    grain text not null default 'day' check (grain in ('day', 'week', 'month')),
    cost_type text not null default 'effective' check (cost_type in ('effective', 'billed', 'list', 'contracted')),
    billing_currency text check (billing_currency ~ '^[A-Z]{3}$'),
    amount numeric check (amount >= 0),
    percent numeric check (percent >= 0),
    days integer check (days > 0),
    budget_id bigint references app.budgets (id),
    severity text not null default 'warning' check (severity in ('info', 'warning', 'critical')),
    quiet_from time,
    quiet_until time,
    time_zone text not null default 'UTC',
    critical_passes boolean not null default true,
    digest text not null default 'none' check (digest in ('none', 'daily', 'weekly')),
    digest_at time not null default '08:00',
    is_active boolean not null default true,
    owner text not null,
    starts_on date not null default (clock_timestamp() at time zone 'utc')::date,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    removed_at timestamptz,
    check (amount is null or billing_currency is not null),
    check ((quiet_from is null) = (quiet_until is null))
);
create unique index alert_rules_by_name on app.alert_rules (name) where removed_at is null;

-- Addresses hold passwords and tokens: sealed as credentials are, bound to the channel's id.
-- `shown_as` is the address without what is secret of it.
create table app.alert_channels (
    id uuid primary key,
    name text not null,
    kind text not null check (kind in ('email', 'slack', 'teams', 'webhook', 'chat')),
    sealed_address bytea not null,
    shown_as text not null,
    is_active boolean not null default true,
    created_at timestamptz not null default clock_timestamp(),
    removed_at timestamptz
);
create unique index alert_channels_by_name on app.alert_channels (name) where removed_at is null;

create table app.alert_rule_channels (
    rule_id uuid not null references app.alert_rules (id),
    channel_id uuid not null references app.alert_channels (id),
    primary key (rule_id, channel_id)
);

-- What a rule found, with the figures as they were then: later restatements change no alert.
create table app.alerts (
    id uuid primary key default gen_random_uuid(),
    rule_id uuid not null references app.alert_rules (id),
    scope_key text not null,
    period_key text not null,
    breach_id text not null,
    rule_name text not null,
    kind text not null,
    severity text not null,
    scope jsonb not null,
    period_start date not null,
    period_end date not null,
    usage_date date not null,
    observed_value numeric,
    threshold_value numeric,
    expected_value numeric,
    unit text not null,
    billing_currency text,
    cost_type text,
    data_state text,
    evidence jsonb not null default '{}',
    state text not null default 'open' check (state in ('open', 'acknowledged', 'resolved')),
    state_note text,
    state_by text,
    state_at timestamptz,
    raised_at timestamptz not null default clock_timestamp(),
    unique (rule_id, scope_key, period_key)
);
create index alerts_by_time on app.alerts (raised_at);

-- The outbox: one row per message and channel. `sending` is committed before a message leaves, so
-- that a crash on the way is known; `message_id` is the same at every attempt.
create table app.alert_deliveries (
    id uuid primary key default gen_random_uuid(),
    rule_id uuid references app.alert_rules (id),
    channel_id uuid not null references app.alert_channels (id),
    kind text not null check (kind in ('alert', 'bundle', 'digest')),
    state text not null default 'pending' check (
        state in ('pending', 'sending', 'sent', 'failed', 'dead')
    ),
    attempts integer not null default 0,
    is_repeat_possible boolean not null default false,
    due_at timestamptz not null,
    next_attempt_at timestamptz not null,
    claimed_at timestamptz,
    last_error text,
    message_id text not null unique,
    created_at timestamptz not null default clock_timestamp(),
    sent_at timestamptz
);
create index alert_deliveries_waiting on app.alert_deliveries (channel_id, next_attempt_at)
where state in ('pending', 'sending', 'failed');
create unique index alert_deliveries_digests on app.alert_deliveries (rule_id, channel_id, due_at)
where kind = 'digest';

-- Each alert once per channel, alone or in a digest.
create table app.alert_delivery_items (
    alert_id uuid not null references app.alerts (id),
    channel_id uuid not null references app.alert_channels (id),
    delivery_id uuid not null references app.alert_deliveries (id),
    primary key (alert_id, channel_id)
);
create index alert_delivery_items_by_delivery on app.alert_delivery_items (delivery_id);
