-- Which budgets the caller may see: those whose scope lies within theirs, so that no figure of
-- one tells of costs beyond it.
create function app.visible_budgets() returns bigint[]
language sql stable security definer parallel safe set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(budgets.id), '{}')
    from app.budgets
    cross join (
        select
            to_jsonb(app.visible_accounts()) as accounts,
            to_jsonb(app.visible_teams()) as teams,
            (
                select coalesce(jsonb_agg(user_scopes.value), '[]')
                from app.live_sessions
                inner join app.user_scopes on user_scopes.user_id = live_sessions.user_id
                where
                    live_sessions.key = current_setting('astraeus.session', true)
                    and user_scopes.kind = 'provider'
            ) as providers
    ) as seen
    where
        (budgets.filters -> 'account_id') <> '[]' and (budgets.filters -> 'account_id') <@ seen.accounts
        or (budgets.filters -> 'team') <> '[]' and (budgets.filters -> 'team') <@ seen.teams
        or (budgets.filters -> 'provider') <> '[]' and (budgets.filters -> 'provider') <@ seen.providers
$$;
