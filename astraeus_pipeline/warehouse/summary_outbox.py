"""app.summary_deliveries: each summary, period and channel once.

A pass holds one lock of the database for as long as its session lives. So a message that is
`sending` when the lock can be had belongs to a sender that is gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import psycopg
from psycopg.rows import class_row

# A session may be lost while its process still waits for a server's answer.
LEASE: Final = timedelta(seconds=90)
ATTEMPTS: Final = 3


@dataclass(frozen=True)
class Claim:
    """A message that this process is to send."""

    summary_id: str
    period_start: date
    channel_id: str
    key: str
    attempts: int
    is_repeat_possible: bool


@dataclass(frozen=True)
class Delivery:
    """How a summary's period fares on one channel."""

    summary: str
    period_start: date
    channel: str
    state: str
    attempts: int
    sent_at: datetime | None
    last_error: str | None


def message_id(summary_id: str, period_start: date, channel_id: str) -> str:
    """Return the key of a message; it follows from what is told to whom."""
    told = f"{summary_id} {period_start} {channel_id}"
    return f"summary-{hashlib.sha256(told.encode()).hexdigest()[:32]}"


@contextmanager
def pass_lock(conn: psycopg.Connection) -> Iterator[bool]:
    """Hold the lock of sending; False if another pass has it. It goes with the session."""
    row = conn.execute("select pg_try_advisory_lock(hashtext('cost summaries'))").fetchone()
    has_it = row is not None and bool(row[0])
    try:
        yield has_it
    finally:
        if has_it and not conn.closed:
            conn.execute("select pg_advisory_unlock(hashtext('cost summaries'))")


def recover(
    conn: psycopg.Connection,
    has_left: Callable[[str], bool],
    *,
    now: datetime,
    lease: timedelta = LEASE,
) -> list[str]:
    """Decide on messages whose sender is gone; hold the lock. Return their keys.

    What `has_left`, by its key, is sent. Of the rest nobody knows: they are sent again, under the
    same key, as possible repeats; one that was tried often enough is dead.
    """
    keys = [
        row[0]
        for row in conn.execute(
            "select message_id from app.summary_deliveries"
            " where state = 'sending' and claimed_at <= %s",
            [now - lease],
        )
    ]
    for key in keys:
        if has_left(key):
            mark_sent(conn, key)
        else:
            reason = "The sender ended before it had an answer."
            mark_failed(conn, key, reason, is_final=False, may_have_arrived=True)
    return keys


def failed(conn: psycopg.Connection) -> list[tuple[str, date]]:
    """Return what waits for another attempt: summary id and first day of its period."""
    return conn.execute(
        "select distinct summary_id::text, period_start from app.summary_deliveries"
        " where state = 'failed' order by 2, 1"
    ).fetchall()


def wanted(
    conn: psycopg.Connection, summary_id: str, period_start: date, channel_ids: list[str]
) -> list[str]:
    """Return the channels that were not told of the period yet, and may be now."""
    rows = conn.execute(
        "select c.id from unnest(%s::text[]) with ordinality as c (id, position)"
        " left join app.summary_deliveries d on d.summary_id = %s::uuid and d.period_start = %s"
        " and d.channel_id = c.id::uuid where d.state is null or d.state = 'failed'"
        " order by c.position",
        [channel_ids, summary_id, period_start],
    )
    return [row[0] for row in rows]


def claim(
    conn: psycopg.Connection, summary_id: str, period_start: date, channel_id: str, now: datetime
) -> Claim | None:
    """Take a message that is new or failed; committed as `sending` when this returns."""
    key = message_id(summary_id, period_start, channel_id)
    cursor = conn.cursor(row_factory=class_row(Claim))
    return cursor.execute(
        "insert into app.summary_deliveries as d (summary_id, period_start, channel_id, message_id,"
        " claimed_at) values (%s, %s, %s, %s, %s)"
        " on conflict (summary_id, period_start, channel_id) do update"
        " set state = 'sending', attempts = d.attempts + 1, claimed_at = excluded.claimed_at"
        " where d.state = 'failed'"
        " returning d.summary_id::text, d.period_start, d.channel_id::text, d.message_id as key,"
        " d.attempts, d.is_repeat_possible",
        [summary_id, period_start, channel_id, key, now],
    ).fetchone()


def mark_sent(conn: psycopg.Connection, key: str) -> None:
    """Note that a message was taken."""
    conn.execute(
        "update app.summary_deliveries set state = 'sent', sent_at = clock_timestamp(),"
        " last_error = null where message_id = %s and state = 'sending'",
        [key],
    )


def mark_failed(
    conn: psycopg.Connection, key: str, reason: str, *, is_final: bool, may_have_arrived: bool
) -> bool:
    """Note that a message was not taken; return whether it is dead: tried thrice, or refused.

    `reason` must hold nothing secret: people read it.
    """
    row = conn.execute(
        "update app.summary_deliveries set last_error = %(reason)s,"
        " state = case when %(final)s or attempts >= %(attempts)s then 'dead' else 'failed' end,"
        " is_repeat_possible = is_repeat_possible or %(repeat)s"
        " where message_id = %(key)s and state = 'sending' returning state = 'dead'",
        {
            "reason": reason[:500],
            "final": is_final,
            "attempts": ATTEMPTS,
            "repeat": may_have_arrived,
            "key": key,
        },
    ).fetchone()
    return row is not None and bool(row[0])


def are_sent(conn: psycopg.Connection, keys: list[str]) -> list[str]:
    """Return the keys of those messages that are marked as sent."""
    rows = conn.execute(
        "select message_id from app.summary_deliveries"
        " where message_id = any(%s) and state = 'sent'",
        [keys],
    )
    return [row[0] for row in rows]


def deliveries(conn: psycopg.Connection, *, only_troubles: bool = False) -> list[Delivery]:
    """Return the latest period's messages per standing summary and channel, or what did not leave.

    Channels and summaries that were removed are left out.
    """
    latest = (
        "d.state in ('dead', 'failed')"
        if only_troubles
        else "d.period_start = (select max(o.period_start) from app.summary_deliveries o"
        " where o.summary_id = d.summary_id and o.channel_id = d.channel_id)"
    )
    cursor = conn.cursor(row_factory=class_row(Delivery))
    return cursor.execute(
        "select s.name as summary, d.period_start, c.name as channel, d.state, d.attempts,"  # noqa: S608 - ours
        " d.sent_at, d.last_error from app.summary_deliveries d"
        " join app.cost_summaries s on s.id = d.summary_id"
        " join app.alert_channels c on c.id = d.channel_id"
        f" where s.removed_at is null and c.removed_at is null and {latest}"
        " order by s.name, d.period_start, c.name"
    ).fetchall()
