-- What the caller may see, for the policies of the marts. The caller says who asks by
-- `astraeus.session`, the key of a session, which nobody can guess: no live session, no rows.
-- Security definer, as the readers themselves may look at neither users nor sessions.

create function app.sees_everything() returns boolean
language sql stable security definer parallel safe set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from app.live_sessions
        where
            live_sessions.key = current_setting('astraeus.session', true)
            and not exists (
                select from app.user_scopes where user_scopes.user_id = live_sessions.user_id
            )
    )
$$;

create function app.visible_accounts() returns text[]
language sql stable security definer parallel safe set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(distinct coalesce(accounts.slug, user_scopes.value)), '{}')
    from app.live_sessions
    inner join app.user_scopes on user_scopes.user_id = live_sessions.user_id
    left join app.accounts
        on user_scopes.kind = 'provider' and accounts.provider = user_scopes.value
    where
        live_sessions.key = current_setting('astraeus.session', true)
        and (user_scopes.kind = 'account' or accounts.slug is not null)
$$;

create function app.visible_teams() returns text[]
language sql stable security definer parallel safe set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(user_scopes.value), '{}')
    from app.live_sessions
    inner join app.user_scopes on user_scopes.user_id = live_sessions.user_id
    where
        live_sessions.key = current_setting('astraeus.session', true)
        and user_scopes.kind = 'team'
$$;
