-- Schema app: what people ask the assistant, what it answers, and each call of a model for that.

create table app.chat_messages (
    id uuid primary key default gen_random_uuid(),
    -- the thread, which is one person's
    session_id uuid not null,
    user_id uuid not null references app.users (id),
    role text not null check (role in ('user', 'assistant')),
    content text not null default '',
    model text,
    -- what the page showed when it was asked: {"account": ["acme"]}
    account_context jsonb not null default '{}' check (jsonb_typeof(account_context) = 'object'),
    -- results of tools that the answer rests on, for a thread that is opened again
    results jsonb not null default '[]' check (jsonb_typeof(results) = 'array'),
    -- tokens, cost and attempts of the models; written attempt by attempt while it runs
    usage jsonb not null default '{"attempts": []}'
    check (coalesce(jsonb_typeof(usage -> 'attempts') = 'array', false)),
    status text not null
    check (status in ('running', 'awaiting_approval', 'complete', 'stopped', 'failed')),
    created_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz
);
create index chat_messages_by_thread on app.chat_messages (session_id, created_at);
create index chat_messages_by_user on app.chat_messages (user_id, created_at);
-- One question of a person at a time: what they may spend is looked up before each call.
create unique index chat_messages_running on app.chat_messages (user_id) where status = 'running';

-- Grain: one call of a model, whether it was answered or not. No word of what was said. cost_usd is
-- null where it is not known, and price_error says why.
create view app.chat_attempts as
select
    messages.id as message_id,
    messages.session_id,
    messages.user_id,
    messages.created_at as asked_at,
    attempts.number,
    attempts.at,
    attempts.provider,
    attempts.model,
    attempts.tier,
    attempts.outcome,
    attempts.status_code,
    attempts.fault,
    attempts.input_tokens,
    attempts.output_tokens,
    attempts.cache_read_tokens,
    attempts.cache_write_tokens,
    attempts.cost_usd,
    attempts.price_source,
    attempts.price_error,
    attempts.latency_ms
from app.chat_messages as messages
cross join lateral jsonb_to_recordset(messages.usage -> 'attempts') as attempts (
    number integer,
    at timestamptz,
    provider text,
    model text,
    tier text,
    outcome text,
    status_code integer,
    fault text,
    input_tokens bigint,
    output_tokens bigint,
    cache_read_tokens bigint,
    cache_write_tokens bigint,
    cost_usd numeric,
    price_source text,
    price_error text,
    latency_ms bigint
);
