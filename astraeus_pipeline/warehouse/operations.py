"""How the installation is doing, in a few cheap questions: for metrics, health and doctor.

Facts that the database keeps are asked of it, not counted in processes: a restart forgets nothing
and two processes count nothing twice. Connect as app, where a function does not say another role.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

from astraeus_pipeline.contracts import RAW_TABLES

# What the connection that holds a backup's snapshot calls itself.
BACKUP: Final = "astraeus backup"
# Daemons whose silence stops schedules, sensors, the queue, or the watch over runs.
DAEMONS: Final = ("SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR", "MONITORING")
# Dagster's own word for it is half an hour; a beat comes every half minute.
_SILENCE: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class Deliveries:
    """All deliveries of a provider's dataset that ended in a state; cost in USD."""

    provider: str
    dataset: str
    state: str
    deliveries: int
    rows: int
    quarantined_rows: int
    requests: int
    request_cost_usd: Decimal


@dataclass(frozen=True)
class Feed:
    """How far an active account's dataset goes; `held` days have a delivery that may not stand.

    `last_day` and `seen_at` are None for an account that has not been ingested yet.
    """

    provider: str
    account_id: str
    dataset: str
    last_day: date | None
    seen_at: datetime | None
    rows: int
    held: int


@dataclass(frozen=True)
class Comparisons:
    """Reconciliations of one state in one currency; None where a comparison has no currency."""

    state: str
    currency: str | None
    comparisons: int
    worst_residual: Decimal | None


@dataclass(frozen=True)
class ModelUse:
    """Calls of a language model since midnight, UTC; cost is None where none is known."""

    provider: str
    model: str
    outcome: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    unpriced: int


@dataclass(frozen=True)
class Queue:
    """Runs of Dagster that are not at their end, by status; how long the oldest one waits."""

    runs: Mapping[str, int]
    oldest_wait_seconds: float


@dataclass(frozen=True)
class Stuck:
    """A connection that waits for a lock, or holds what others wait for, for long."""

    pid: int
    role: str
    application: str
    state: str
    seconds: float
    blocks: int


def deliveries(conn: psycopg.Connection) -> list[Deliveries]:
    """Return counts, rows and the price of requests by provider, dataset and state."""
    with conn.cursor(row_factory=class_row(Deliveries)) as cursor:
        return cursor.execute(
            "select provider, dataset, state, count(*) as deliveries, sum(rows)::bigint as rows,"
            " sum(quarantined_rows)::bigint as quarantined_rows,"
            " sum(requests)::bigint as requests, sum(request_cost_usd) as request_cost_usd"
            " from raw.deliveries group by 1, 2, 3 order by 1, 2, 3"
        ).fetchall()


def feeds(conn: psycopg.Connection) -> list[Feed]:
    """Return how far each active account's datasets go."""
    with conn.cursor(row_factory=class_row(Feed)) as cursor:
        return cursor.execute(
            "select accounts.provider, accounts.slug as account_id,"
            " coalesce(partitions.dataset, 'costs') as dataset,"
            " max(partitions.usage_date) filter (where partitions.delivery_id is not null)"
            " as last_day, max(partitions.seen_at) as seen_at,"
            " coalesce(sum(partitions.rows), 0)::bigint as rows,"
            " count(*) filter (where partitions.state <> 'loaded') as held"
            " from app.accounts left join raw.partitions on partitions.account_id = accounts.slug"
            " where accounts.state = 'active' group by 1, 2, 3 order by 1, 2, 3"
        ).fetchall()


def comparisons(conn: psycopg.Connection) -> list[Comparisons]:
    """Return how the figures compare with one another; nothing before marts are built."""
    if not _stands(conn, "marts.fct_reconciliations"):
        return []
    with conn.cursor(row_factory=class_row(Comparisons)) as cursor:
        return cursor.execute(
            "select state, currency, count(*) as comparisons,"
            " max(abs(residual)) as worst_residual"
            " from marts.fct_reconciliations group by 1, 2 order by 1, 2"
        ).fetchall()


def built_at(conn: psycopg.Connection) -> datetime | None:
    """Return when the build began that the marts are of; None before the first."""
    if not _stands(conn, "marts.data_version"):
        return None
    row = conn.execute("select max(built_at) from marts.data_version").fetchone()
    return row[0] if row else None


def model_use(conn: psycopg.Connection) -> list[ModelUse]:
    """Return the assistant's calls since midnight, UTC."""
    with conn.cursor(row_factory=class_row(ModelUse)) as cursor:
        return cursor.execute(
            "select provider, model, outcome, count(*) as calls,"
            " coalesce(sum(input_tokens), 0)::bigint as input_tokens,"
            " coalesce(sum(output_tokens), 0)::bigint as output_tokens,"
            " sum(cost_usd) as cost_usd, count(*) filter (where cost_usd is null) as unpriced"
            " from app.chat_attempts"
            # An answer takes minutes at most, so no older question has a call of today.
            " where asked_at >= date_trunc('day', now(), 'UTC') - interval '1 day'"
            " and at >= date_trunc('day', now(), 'UTC')"
            " group by 1, 2, 3 order by 1, 2, 3"
        ).fetchall()


def messages(conn: psycopg.Connection) -> dict[tuple[str, str], int]:
    """Return messages of alerts and summaries that have not left, by kind and state."""
    rows = conn.execute(
        "select 'alert', state, count(*) from app.alert_deliveries where state <> 'sent'"
        " group by 2 union all select 'summary', state, count(*) from app.summary_deliveries"
        " where state <> 'sent' group by 2 order by 1, 2"
    )
    return {(kind, state): count for kind, state, count in rows}


def last_backup(conn: psycopg.Connection) -> datetime | None:
    """Return when the last backup was made; None in the last 400 days."""
    row = conn.execute(
        "select max(at) from app.audit_log where action = 'backup.made'"
        " and at > now() - interval '400 days'"
    ).fetchone()
    return row[0] if row else None


def old_checkpoints(conn: psycopg.Connection, days: int) -> int:
    """Count threads whose checkpoints outlived their last message by so many days."""
    query = f"select count(*) from ({OLD_THREADS}) as threads"  # noqa: S608 - a literal
    row = conn.execute(query, {"days": days}).fetchone()
    return int(row[0]) if row else 0


# Threads with checkpoints but no message of late; one that waits for an approval is not old.
OLD_THREADS: Final = """
    select threads.thread_id
    from (select distinct thread_id from app.checkpoints) as threads
    where not exists (
        select from app.chat_messages as messages
        where
            messages.session_id::text = threads.thread_id
            and (
                messages.created_at > now() - make_interval(days => %(days)s)
                or messages.status in ('running', 'awaiting_approval')
            )
    )
"""


def months_ahead(conn: psycopg.Connection) -> dict[str, int]:
    """Return for each raw table with leaves how many months after this one have theirs."""
    rows = conn.execute(
        "select parents.relname, count(*) filter (where right(leaves.relname, 7)"
        " > to_char(now() at time zone 'UTC', 'YYYY_MM'))"
        " from pg_inherits inner join pg_class as parents on parents.oid = inhparent"
        " inner join pg_class as leaves on leaves.oid = inhrelid"
        " where parents.relnamespace = to_regnamespace('raw') and parents.relname = any(%s)"
        " and leaves.relkind = 'r' group by 1 order by 1",
        [[table.name for table in RAW_TABLES]],
    )
    return dict(rows.fetchall())


def size_bytes(conn: psycopg.Connection) -> int:
    """Return how large the database is on its disk."""
    row = conn.execute("select pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0


def connections(conn: psycopg.Connection) -> tuple[int, int]:
    """Return how many connections the server has, and how many it takes."""
    row = conn.execute(
        "select count(*), current_setting('max_connections')::integer from pg_stat_activity"
        " where backend_type = 'client backend'"
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def stuck(conn: psycopg.Connection, minutes: int) -> list[Stuck]:
    """Return connections of ours that sit in a transaction, or wait for a lock, for so long.

    Connect as admin: others see no state of one another's connections.
    """
    with conn.cursor(row_factory=class_row(Stuck)) as cursor:
        return cursor.execute(
            "select pid, usename as role, application_name as application,"
            " case when wait_event_type = 'Lock' then 'waits for a lock' else state end as state,"
            " extract(epoch from now() - state_change)::float8 as seconds,"
            " (select count(*) from pg_stat_activity as others"
            " where activity.pid = any(pg_blocking_pids(others.pid)))::integer as blocks"
            " from pg_stat_activity as activity where datname = current_database()"
            " and pid <> pg_backend_pid() and now() - state_change > make_interval(mins => %s)"
            " and (state like 'idle in transaction%%' or wait_event_type = 'Lock')"
            # A backup's snapshot idles while pg_dump works.
            " and application_name <> %s"
            " order by seconds desc",
            [minutes, BACKUP],
        ).fetchall()


def queue(conn: psycopg.Connection) -> Queue:
    """Return Dagster's runs that are not at their end. Connect as dagster."""
    if not _stands(conn, "dagster.runs"):
        return Queue({}, 0.0)
    rows = conn.execute(
        "select status, count(*), extract(epoch from"
        " (now() at time zone 'UTC') - min(create_timestamp))::float8 from dagster.runs"
        " where status in ('QUEUED', 'NOT_STARTED', 'STARTING', 'STARTED', 'CANCELING') group by 1"
    ).fetchall()
    waits = [waited for status, _, waited in rows if status == "QUEUED"]
    return Queue({status: count for status, count, _ in rows}, max(0.0, *waits, 0.0))


def heartbeats(conn: psycopg.Connection) -> dict[str, datetime]:
    """Return when each of Dagster's daemons last gave a sign. Connect as dagster."""
    if not _stands(conn, "dagster.daemon_heartbeats"):
        return {}
    rows: list[tuple[str, Any]] = conn.execute(
        "select daemon_type, timestamp at time zone 'UTC' from dagster.daemon_heartbeats"
    ).fetchall()
    return {daemon: at for daemon, at in rows if daemon in DAEMONS}


def silent(beats: Mapping[str, datetime], now: datetime) -> list[str]:
    """Return the daemons that gave no sign for some minutes, or never."""
    return [each for each in DAEMONS if each not in beats or now - beats[each] > _SILENCE]


def event_rows(conn: psycopg.Connection) -> int:
    """Return about how many events Dagster keeps. Connect as dagster."""
    row = conn.execute(
        "select coalesce(max(reltuples), 0)::bigint from pg_class"
        " where oid = to_regclass('dagster.event_logs')"
    ).fetchone()
    return max(0, int(row[0])) if row else 0


def _stands(conn: psycopg.Connection, relation: str) -> bool:
    row = conn.execute("select to_regclass(%s) is not null", [relation]).fetchone()
    return bool(row and row[0])
