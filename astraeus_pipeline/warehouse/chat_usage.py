"""What the assistant's calls of models took and cost, summed from app.chat_attempts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from astraeus_pipeline.contracts.days import DayRange

GROUPS: Final = {
    "provider": "attempts.provider",
    "model": "attempts.model",
    "tier": "attempts.tier",
    "user": "users.email",
    "day": "(attempts.at at time zone 'UTC')::date",
}


def usage(
    conn: psycopg.Connection, days: DayRange, groups: Sequence[str], email: str | None
) -> tuple[list[dict[str, Any]], str]:
    """Return calls of UTC days by groups of GROUPS, the dearest first, and the SQL.

    With `email` only that person's. cost_usd is null where no call's is known, and
    `unpriced_calls` counts those that it lacks. Latency in milliseconds, of answered calls.
    Raises: KeyError for another group.
    """
    select = [sql.SQL(f"{GROUPS[each]} as ") + sql.Identifier(each) for each in groups]
    places = sql.SQL(", ").join(sql.SQL(str(place + 1)) for place in range(len(groups)))
    query = sql.SQL(
        "select {groups} count(*) as calls,"
        " count(*) filter (where attempts.outcome = 'answered') as answered_calls,"
        " count(*) filter (where attempts.outcome in ('refused', 'failed')) as failed_calls,"
        " count(*) filter (where attempts.number > 1) as repeated_calls,"
        " sum(attempts.input_tokens)::bigint as input_tokens,"
        " sum(attempts.output_tokens)::bigint as output_tokens,"
        " sum(attempts.cache_read_tokens)::bigint as cache_read_tokens,"
        " sum(attempts.cache_write_tokens)::bigint as cache_write_tokens,"
        " sum(attempts.cost_usd) as cost_usd,"
        " count(*) filter (where attempts.cost_usd is null) as unpriced_calls,"
        " percentile_disc(0.5) within group (order by attempts.latency_ms)"
        " filter (where attempts.outcome = 'answered') as median_latency_ms,"
        " percentile_disc(0.95) within group (order by attempts.latency_ms)"
        " filter (where attempts.outcome = 'answered') as p95_latency_ms"
        " from app.chat_attempts as attempts"
        " inner join app.users on users.id = attempts.user_id"
        " where (attempts.at at time zone 'UTC')::date between {first} and {last}"
        " and ({email}::text is null or users.email = {email}) {by}"
        " order by cost_usd desc nulls last, calls desc"
    ).format(
        groups=sql.SQL("").join(each + sql.SQL(", ") for each in select),
        first=sql.Literal(days.first),
        last=sql.Literal(days.last),
        email=sql.Literal(email),
        by=sql.SQL("group by ") + places if groups else sql.SQL(""),
    )
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query).fetchall(), query.as_string(conn)
