"""What people leave in a day: sessions, attempts to sign in, talks with the assistant."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

import psycopg

from astraeus_pipeline.warehouse import alert_rules, budgets, sessions, users
from benchmarks.scratch import Scratch

EMAIL: Final = "ana@example.org"
_SESSIONS, _ATTEMPTS, _THREADS = 10, 20, 3
# A graph's state is some tens of kB: messages, and what tools answered.
_THREAD: Final = """
with thread as (select gen_random_uuid() as id),
message as (
    insert into app.chat_messages (session_id, user_id, role, status)
    select id, %(user)s, 'assistant', 'complete' from thread
),
blobs as (
    insert into app.checkpoint_blobs (thread_id, channel, version, type, blob)
    select id::text, 'messages', n::text, 'msgpack',
        decode(repeat(md5(random()::text), 300), 'hex') from thread, generate_series(1, 6) as n
),
writes as (
    insert into app.checkpoint_writes (thread_id, checkpoint_id, task_id, idx, channel, blob)
    select id::text, n::text, 'task', 0, 'messages', decode(repeat(md5(random()::text), 50), 'hex')
    from thread, generate_series(1, 12) as n
)
insert into app.checkpoints (thread_id, checkpoint_id, checkpoint)
select id::text, n::text, jsonb_build_object('state', repeat(md5(random()::text), 30))
from thread, generate_series(1, 6) as n
"""


def prepare(place: Scratch, first: date) -> None:
    """Add a user, a budget and rules that find something now and then."""
    with place.database.connect("app", autocommit=True) as conn:
        users.add(conn, EMAIL, "Ana", "analyst", actor="benchmark")
        month = first.replace(day=1)
        for number, filters in enumerate(({}, {"account_id": ["bench-00"]}, {"team": ["team-1"]})):
            amount = Decimal(20_000_000)
            new = budgets.NewBudget(
                f"Budget {number}", "month", amount, "USD", month, filters=filters
            )
            budgets.add(conn, new, "benchmark")
        for rule in (
            alert_rules.NewRule(
                "Unexpected", "anomaly", billing_currency="USD", amount=Decimal(1), owner="ana"
            ),
            alert_rules.NewRule(
                "A dear account",
                "cost_amount",
                billing_currency="USD",
                amount=Decimal(40_000),
                split_by="account",
                owner="ana",
            ),
            alert_rules.NewRule("Late", "stale_feed", days=1, owner="ana"),
            alert_rules.NewRule("Residuals", "residual", owner="ana"),
        ):
            alert_rules.add_rule(conn, rule, "benchmark")


def live(place: Scratch, days: int) -> None:
    """Let the people of so many days come and go."""
    with place.database.connect("app", autocommit=True) as conn:
        [(user,)] = conn.execute("select id from app.users where email = %s", [EMAIL]).fetchall()
        for _ in range(days):
            _sign_in(conn, user)
            for _ in range(_THREADS):
                conn.execute(_THREAD, {"user": user})


def _sign_in(conn: psycopg.Connection, user: UUID) -> None:
    conn.execute(
        "insert into app.sign_in_attempts (email, address, at)"
        " select %s, '192.0.2.1', now() from generate_series(1, %s)",
        [EMAIL, _ATTEMPTS],
    )
    for _ in range(_SESSIONS):
        sessions.begin(conn, user, "password")
