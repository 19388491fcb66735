-- Schema app: files that people attach to a thread with the assistant, and what was read from them.
-- They are nobody's but their owner's, go with the answer that read them, and are kept until
-- expires_at. No mart reads this table: what stands in somebody's file is no cost of ours.

create table app.chat_attachments (
    id uuid primary key default gen_random_uuid(),
    -- the answer that says what was read
    message_id uuid not null unique references app.chat_messages (id) on delete cascade,
    user_id uuid not null references app.users (id),
    name text not null,
    media_type text not null,
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    content bytea not null check (octet_length(content) <= 10485760),
    -- lines, days, totals as read; amounts as text, exactly
    reading jsonb not null check (coalesce(jsonb_typeof(reading -> 'lines') = 'array', false)),
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null
);
create index chat_attachments_by_user on app.chat_attachments (user_id, created_at);
create index chat_attachments_by_expiry on app.chat_attachments (expires_at);
