-- Schema app: people, what they may see, their sessions and one-time links.
-- Tokens are kept as their sha-256 (`key`) alone: who reads these tables cannot sign in with them.

create table app.users (
    id uuid primary key default gen_random_uuid(),
    email text not null check (email = lower(email) and email like '_%@_%'),
    name text not null check (name <> ''),
    role text not null check (role in ('viewer', 'analyst', 'budget_owner', 'admin')),
    password_hash text check (password_hash like '$argon2id$%'),
    issuer text,
    subject text,
    is_active boolean not null default true,
    created_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    unique (email),
    unique (issuer, subject),
    check ((issuer is null) = (subject is null))
);

-- What a person may see; who has no row sees everything.
create table app.user_scopes (
    user_id uuid not null references app.users (id),
    kind text not null check (kind in ('provider', 'account', 'team')),
    value text not null check (value <> ''),
    primary key (user_id, kind, value)
);

create table app.sessions (
    key text primary key check (key ~ '^[0-9a-f]{64}$'),
    id uuid not null unique default gen_random_uuid(),
    user_id uuid not null references app.users (id),
    method text not null check (method in ('password', 'link', 'oidc')),
    address text,
    user_agent text,
    created_at timestamptz not null default clock_timestamp(),
    last_seen_at timestamptz not null default clock_timestamp(),
    idle_limit interval not null default interval '60 minutes',
    expires_at timestamptz not null default clock_timestamp() + interval '12 hours',
    revoked_at timestamptz
);
create index sessions_by_user on app.sessions (user_id, created_at);

create table app.sign_in_links (
    key text primary key check (key ~ '^[0-9a-f]{64}$'),
    user_id uuid not null references app.users (id),
    created_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    used_at timestamptz
);

-- Attempts of the last hours, for the limits per account and per address.
create table app.sign_in_attempts (
    id bigint generated always as identity primary key,
    email text not null,
    address text not null,
    at timestamptz not null default clock_timestamp()
);
create index sign_in_attempts_by_email on app.sign_in_attempts (email, at);
create index sign_in_attempts_by_address on app.sign_in_attempts (address, at);

create index audit_log_by_time on app.audit_log (at);

-- The one place that says which sessions hold.
create view app.live_sessions as
select
    sessions.key,
    sessions.id,
    sessions.user_id,
    sessions.method,
    sessions.created_at,
    sessions.last_seen_at,
    sessions.expires_at,
    users.email,
    users.name,
    users.role
from app.sessions
inner join app.users on users.id = sessions.user_id
where
    users.is_active
    and sessions.revoked_at is null
    and sessions.expires_at > statement_timestamp()
    and sessions.last_seen_at + sessions.idle_limit > statement_timestamp();
