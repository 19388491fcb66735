"""app.alert_deliveries: what is to leave, is on its way, has left, or never will.

A sender holds a lock of the database per channel for as long as its session lives. So a message
that is `sending` when the lock can be had belongs to a sender that is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import psycopg
from psycopg.rows import class_row, dict_row

from astraeus_pipeline.contracts.alert_kinds import Severity
from astraeus_pipeline.contracts.alerting import Alert, DeliveryKind, Timing
from astraeus_pipeline.warehouse import audit
from astraeus_pipeline.warehouse.alerts import ALERT_COLUMNS, rule_timing

# A session may be lost while its process still waits for a server's answer: as long as that may
# take, and more.
LEASE: Final = timedelta(seconds=90)


@dataclass(frozen=True)
class Claim:
    """A message that this process is to send; `severity` is critical if one of its alerts is."""

    id: str
    kind: DeliveryKind
    key: str
    attempts: int
    is_repeat_possible: bool
    alerts: tuple[Alert, ...]
    timing: Timing
    severity: Severity


def channels_with_work(conn: psycopg.Connection, now: datetime) -> list[str]:
    """Return the channels that have messages due, or on their way."""
    rows = conn.execute(
        "select distinct channel_id::text from app.alert_deliveries"
        " where state = 'sending' or (state in ('pending', 'failed') and next_attempt_at <= %s)",
        [now],
    )
    return [row[0] for row in rows]


@contextmanager
def channel_lock(conn: psycopg.Connection, channel_id: str) -> Iterator[bool]:
    """Hold a channel's lock; False if another sender has it. It goes with the session."""
    row = conn.execute(
        "select pg_try_advisory_lock(hashtextextended('alerts ' || %s, 0))", [channel_id]
    ).fetchone()
    has_it = row is not None and bool(row[0])
    try:
        yield has_it
    finally:
        if has_it and not conn.closed:
            conn.execute(
                "select pg_advisory_unlock(hashtextextended('alerts ' || %s, 0))", [channel_id]
            )


def recover(
    conn: psycopg.Connection,
    channel_id: str,
    has_left: Callable[[str], bool],
    *,
    now: datetime,
    lease: timedelta = LEASE,
) -> list[str]:
    """Decide on messages whose sender is gone; hold the channel's lock. Return their keys.

    What `has_left`, by its key, is sent. Of the rest nobody knows: they are sent again, under the
    same key, as possible repeats.
    """
    rows = conn.execute(
        "select id, message_id from app.alert_deliveries"
        " where channel_id = %s and state = 'sending' and claimed_at <= %s",
        [channel_id, now - lease],
    ).fetchall()
    for delivery, key in rows:
        if has_left(key):
            mark_sent(conn, str(delivery))
        else:
            conn.execute(
                "update app.alert_deliveries set state = 'failed', is_repeat_possible = true,"
                " next_attempt_at = %s, last_error = 'The sender ended before it had an answer.'"
                " where id = %s",
                [now, delivery],
            )
    return [key for _, key in rows]


def claim(conn: psycopg.Connection, channel_id: str, now: datetime) -> Claim | None:
    """Take the next message that is due on a channel; committed as `sending` when this returns."""
    cursor = conn.cursor(row_factory=dict_row)
    cursor.execute(
        "update app.alert_deliveries set state = 'sending', attempts = attempts + 1,"
        " claimed_at = %(now)s where id = (select id from app.alert_deliveries"
        " where channel_id = %(channel)s and state in ('pending', 'failed')"
        " and next_attempt_at <= %(now)s"
        " order by next_attempt_at, created_at, id limit 1 for update skip locked)"
        " returning id::text, kind, message_id, attempts, is_repeat_possible, rule_id::text",
        {"channel": channel_id, "now": now},
    )
    row = cursor.fetchone()
    if row is None:
        return None
    cursor.execute(
        f"select {ALERT_COLUMNS} from app.alert_delivery_items i"  # noqa: S608 - ours
        " join app.alerts a on a.id = i.alert_id where i.delivery_id = %s"
        " order by a.usage_date, a.id",
        [row["id"]],
    )
    alerts = tuple(Alert(**each) for each in cursor)
    return Claim(
        id=row["id"],
        kind=row["kind"],
        key=row["message_id"],
        attempts=row["attempts"],
        is_repeat_possible=row["is_repeat_possible"],
        alerts=alerts,
        timing=rule_timing(conn, row["rule_id"]),
        severity="critical" if any(a.severity == "critical" for a in alerts) else "warning",
    )


def mark_sent(conn: psycopg.Connection, delivery: str) -> None:
    """Note that a message was taken."""
    conn.execute(
        "update app.alert_deliveries set state = 'sent', sent_at = clock_timestamp(),"
        " last_error = null where id = %s and state = 'sending'",
        [delivery],
    )


def are_sent(conn: psycopg.Connection, keys: list[str]) -> list[str]:
    """Return the keys of those messages that are marked as sent."""
    rows = conn.execute(
        "select message_id from app.alert_deliveries where message_id = any(%s) and state = 'sent'",
        [keys],
    )
    return [row[0] for row in rows]


def mark_failed(
    conn: psycopg.Connection,
    delivery: str,
    reason: str,
    retry_at: datetime | None,
    *,
    may_have_arrived: bool,
) -> None:
    """Note that a message was not taken: it waits for `retry_at`, or is dead where that is None.

    `reason` must hold nothing secret: people read it.
    """
    conn.execute(
        "update app.alert_deliveries set state = %(state)s, last_error = %(reason)s,"
        " next_attempt_at = coalesce(%(at)s, next_attempt_at),"
        " is_repeat_possible = is_repeat_possible or %(repeat)s"
        " where id = %(id)s and state = 'sending'",
        {
            "state": "dead" if retry_at is None else "failed",
            "reason": reason[:500],
            "at": retry_at,
            "repeat": may_have_arrived,
            "id": delivery,
        },
    )


@dataclass(frozen=True)
class Sent:
    """How one alert fares on one channel; `state` as in app.alert_deliveries."""

    alert_id: str
    channel: str
    kind: DeliveryKind
    state: str
    attempts: int
    is_repeat_possible: bool
    next_attempt_at: datetime
    sent_at: datetime | None
    last_error: str | None


def fates(conn: psycopg.Connection, alerts: Sequence[str]) -> list[Sent]:
    """Return how alerts fare, one row per alert and channel."""
    cursor = conn.cursor(row_factory=class_row(Sent))
    return cursor.execute(
        "select i.alert_id::text, c.name as channel, d.kind, d.state, d.attempts,"
        " d.is_repeat_possible, d.next_attempt_at, d.sent_at, d.last_error"
        " from app.alert_delivery_items i join app.alert_deliveries d on d.id = i.delivery_id"
        " join app.alert_channels c on c.id = d.channel_id"
        " where i.alert_id = any(%s::uuid[]) order by i.alert_id, c.name",
        [list(alerts)],
    ).fetchall()


@dataclass(frozen=True)
class Trouble:
    """Messages of a channel that did not leave: dead for good, or failed and tried again."""

    channel: str
    dead: int
    failed: int
    last_error: str | None


def troubles(conn: psycopg.Connection) -> list[Trouble]:
    """Return the channels with messages that did not leave."""
    rows = conn.execute(
        "select c.name, count(*) filter (where d.state = 'dead'),"
        " count(*) filter (where d.state = 'failed'),"
        " (array_agg(d.last_error order by d.claimed_at desc nulls last))[1]"
        " from app.alert_deliveries d join app.alert_channels c on c.id = d.channel_id"
        " where d.state in ('dead', 'failed') and c.removed_at is null group by 1 order by 1"
    )
    return [Trouble(*row) for row in rows]


def waiting(conn: psycopg.Connection) -> int:
    """Return how many messages have not left yet, dead ones not counted."""
    row = conn.execute(
        "select count(*) from app.alert_deliveries where state in ('pending', 'failed', 'sending')"
    ).fetchone()
    return int(row[0]) if row else 0


def retry_dead(conn: psycopg.Connection, channel: str | None, actor: str) -> int:
    """Send dead messages again, of one channel or of all, from the first attempt on. As app."""
    with conn.transaction():
        done = conn.execute(
            "update app.alert_deliveries d set state = 'failed', attempts = 0,"
            " next_attempt_at = clock_timestamp() from app.alert_channels c"
            " where c.id = d.channel_id and c.removed_at is null and d.state = 'dead'"
            " and (%(channel)s::text is null or c.name = %(channel)s)",
            {"channel": channel},
        ).rowcount
        audit.note(conn, actor, "alert.retry", channel or "all channels", messages=done)
    return done
