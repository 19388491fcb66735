-- Schema app: the ordered rules by which costs are given to teams, cost centres and environments.

create table app.allocation_rules (
    id bigint generated always as identity primary key,
    dimension text not null check (dimension in ('team', 'cost_center', 'environment')),
    position integer not null check (position > 0),
    name text not null check (name <> ''),
    conditions jsonb not null check (jsonb_typeof(conditions) = 'object'),
    effect jsonb not null check (jsonb_typeof(effect) = 'object'),
    valid_from date,
    valid_to date,
    is_active boolean not null default true,
    created_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    updated_by text not null,
    updated_at timestamptz not null default clock_timestamp(),
    unique (dimension, position) deferrable initially deferred,
    check (valid_from <= valid_to)
);

-- What the rules say taken together: marts note it, and are built anew when it differs.
create view app.allocation_state as
select
    md5(coalesce(string_agg(active.rule::text, ',' order by active.id), '')) as fingerprint,
    max(active.updated_at) as updated_at
from (
    select
        id,
        updated_at,
        jsonb_build_array(
            id, dimension, row_number() over (partition by dimension order by position),
            conditions, effect, valid_from, valid_to
        ) as rule
    from app.allocation_rules
    where is_active
) as active;
