-- Schema app: what people said of recommendations. Every word is kept, the latest counts.

create table app.recommendation_feedback (
    id bigint generated always as identity primary key,
    recommendation_id text not null,
    state text not null check (state in ('open', 'dismissed')),
    note text,
    said_by text not null,
    said_at timestamptz not null default clock_timestamp()
);
create index recommendation_feedback_by_id on app.recommendation_feedback (recommendation_id, said_at);
