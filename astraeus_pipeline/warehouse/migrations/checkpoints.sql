-- Schema app: where a question of the assistant stands, for one that waits for an approval or goes
-- on in a thread. The tables are LangGraph's own (langgraph-checkpoint-postgres, its steps 0 to 9),
-- which its set-up finds complete. They hold what people and models said: for the app role alone.

create table app.checkpoint_migrations (v integer primary key);
insert into app.checkpoint_migrations (v) select generate_series(0, 9);

create table app.checkpoints (
    thread_id text not null,
    checkpoint_ns text not null default '',
    checkpoint_id text not null,
    parent_checkpoint_id text,
    type text,
    checkpoint jsonb not null,
    metadata jsonb not null default '{}',
    primary key (thread_id, checkpoint_ns, checkpoint_id)
);
create index checkpoints_thread_id_idx on app.checkpoints (thread_id);

create table app.checkpoint_blobs (
    thread_id text not null,
    checkpoint_ns text not null default '',
    channel text not null,
    version text not null,
    type text not null,
    blob bytea,
    primary key (thread_id, checkpoint_ns, channel, version)
);
create index checkpoint_blobs_thread_id_idx on app.checkpoint_blobs (thread_id);

create table app.checkpoint_writes (
    thread_id text not null,
    checkpoint_ns text not null default '',
    checkpoint_id text not null,
    task_id text not null,
    idx integer not null,
    channel text not null,
    type text,
    blob bytea not null,
    task_path text not null default '',
    primary key (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
);
create index checkpoint_writes_thread_id_idx on app.checkpoint_writes (thread_id);
