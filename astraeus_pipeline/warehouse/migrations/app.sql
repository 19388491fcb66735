-- Schema app: accounts and the audit log.

create table app.accounts (
    id uuid primary key default gen_random_uuid(),
    slug text not null unique check (slug ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    provider text not null,
    name text not null,
    config jsonb not null default '{}',
    sealed_credentials bytea,
    credential_ref text,
    state text not null default 'active' check (state in ('active', 'paused', 'removed')),
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    check (sealed_credentials is null or credential_ref is null)
);

create table app.audit_log (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    actor text not null,
    action text not null,
    subject text not null,
    detail jsonb not null default '{}'
);
