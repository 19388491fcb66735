-- Schema app: addresses of pages that people keep under a name. A view holds what is asked, never
-- an answer: who opens it sees what they may see.

create table app.saved_views (
    id uuid primary key default gen_random_uuid(),
    owner_id uuid not null references app.users (id),
    page text not null
    check (page in ('dashboard', 'costs', 'resources', 'trace', 'budgets', 'accounts')),
    name text not null check (name = btrim(name) and length(name) between 1 and 80),
    -- parameters of the page's address: {"by": ["Service"]}
    query jsonb not null check (jsonb_typeof(query) = 'object' and octet_length(query::text) <= 8192),
    -- null for the owner alone; * for everybody; else a team
    shared_with text check (shared_with <> ''),
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
);
create unique index saved_views_by_name on app.saved_views (owner_id, page, lower(name));
