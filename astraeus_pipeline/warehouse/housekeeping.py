"""What may go after some time, and what must be there ahead of time.

Nothing that a number leads back to goes unless a setting asks for it: rows, deliveries, what they
replaced, and the payloads that figures as of a past day are read from again, stay for ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

import psycopg
from psycopg import sql
from pydantic import Field, ValidationError
from pydantic_settings import SettingsConfigDict

from astraeus_pipeline.contracts import RAW_TABLES
from astraeus_pipeline.contracts.days import next_month
from astraeus_pipeline.errors import ConfigError, LoadError
from astraeus_pipeline.settings import FromEnvironment
from astraeus_pipeline.warehouse import audit, backup, ddl, line_item_files, payload_files
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.operations import OLD_THREADS

_MONTHS_AHEAD: Final = 2
# Written again and again while their rows stay: vacuum before a fifth of them is dead.
_HOT: Final = ("raw.partitions", "app.sessions", "app.chat_messages", "app.alert_deliveries")
_SCALE: Final = "0.02"


class Retention(FromEnvironment):
    """Days that things are kept, from variables ASTRAEUS_KEEP_..._DAYS; None is for ever."""

    model_config = SettingsConfigDict(env_prefix="ASTRAEUS_KEEP_", frozen=True, extra="ignore")

    session_days: int = Field(90, ge=1, description="Sessions that ended, links that were used")
    attempt_days: int = Field(7, ge=1, description="Attempts to sign in")
    checkpoint_days: int = Field(
        30, ge=1, description="What the assistant remembers of a thread beside its messages"
    )
    run_days: int | None = Field(
        90, ge=7, description="Dagster's runs and events that led to nothing that stands"
    )
    payload_days: int | None = Field(
        None, ge=30, description="Payloads that no standing day came from; figures as of then go"
    )
    line_item_days: int = Field(
        30, ge=7, description="Line items as Parquet that no longer stand, and their orders"
    )
    chat_days: int | None = Field(None, ge=1, description="Threads with the assistant")
    audit_days: int | None = Field(None, ge=365, description="Lines of the audit log")

    @classmethod
    def from_env(cls) -> Self:
        """Read the environment. Raises: ConfigError naming the variable that cannot be used."""
        try:
            return cls()
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = str(first["loc"][0]).upper()
            raise ConfigError(
                f"ASTRAEUS_KEEP_{name} cannot be used: {first['msg']}.",
                hint="Correct or remove it; .env.example says what it takes.",
            ) from None


@dataclass(frozen=True)
class Work:
    """A kind of thing that goes: its rows, and how long they are kept."""

    name: str
    count: str
    delete: tuple[str, ...]
    days: int | None


@dataclass(frozen=True)
class Done:
    """What went, or would go; `bytes` where that is known."""

    name: str
    days: int | None
    gone: int
    bytes: int = 0


def rows_of(retention: Retention) -> tuple[Work, ...]:
    """Return the kinds of rows that go, in order."""
    threads = f"thread_id in ({OLD_THREADS})"
    return (
        _work(
            "sessions that ended",
            "app.sessions",
            "coalesce(revoked_at, least(expires_at, last_seen_at + idle_limit))"
            " < now() - make_interval(days => %(days)s)",
            retention.session_days,
        ),
        _work(
            "sign-in links",
            "app.sign_in_links",
            "coalesce(used_at, expires_at) < now() - make_interval(days => %(days)s)",
            retention.session_days,
        ),
        _work(
            "sign-in attempts",
            "app.sign_in_attempts",
            "at < now() - make_interval(days => %(days)s)",
            retention.attempt_days,
        ),
        _work(
            "expired attachments",
            "app.chat_attachments",
            "expires_at <= now() - make_interval(days => %(days)s)",
            0,
        ),
        Work(
            "threads that the assistant remembers",
            f"select count(*) from ({OLD_THREADS}) as threads",  # noqa: S608 - a literal
            # The checkpoints last: they say which threads are old.
            tuple(
                f"delete from app.{table} where {threads}"  # noqa: S608 - literals
                for table in ("checkpoint_writes", "checkpoint_blobs", "checkpoints")
            ),
            retention.checkpoint_days,
        ),
        _work(
            "messages of the assistant",
            "app.chat_messages",
            "created_at < now() - make_interval(days => %(days)s)"
            " and status not in ('running', 'awaiting_approval')",
            retention.chat_days,
        ),
        _work(
            "lines of the audit log",
            "app.audit_log",
            "at < now() - make_interval(days => %(days)s)",
            retention.audit_days,
        ),
    )


def _work(name: str, table: str, old: str, days: int | None) -> Work:
    """Put together the statements; table and condition are literals of this module."""
    scope = f"from {table} where {old}"
    return Work(name, f"select count(*) {scope}", (f"delete {scope}",), days)


def clear_rows(conn: psycopg.Connection, retention: Retention, *, is_dry: bool) -> list[Done]:
    """Delete the rows of app tables that are kept no longer, or count them. Connect as app."""
    done = []
    for work in rows_of(retention):
        if work.days is None:
            continue
        with conn.transaction():
            gone = _count(conn, work.count, work.days)
            if gone and not is_dry:
                for statement in work.delete:
                    conn.execute(statement.encode(), {"days": work.days})
        done.append(Done(work.name, work.days, gone))
    return done


def clear_payloads(
    conn: psycopg.Connection, store: LandingStore, retention: Retention, *, is_dry: bool
) -> Done | None:
    """Delete payloads that no standing or held-back day came from; None unless asked for.

    Their ledger rows stay. A payload that a later delivery brought again stays, too. Connect as
    app. Raises: LoadError where a manifest cannot be read: then nothing is deleted.
    """
    if retention.payload_days is None:
        return None
    going, staying = _manifests(conn, retention.payload_days)
    stored = payload_files.listed(store)
    kept = {uri for each in staying for uri in _parts(store, each, stored)}
    gone = {uri for each in going for uri in _parts(store, each, stored)} - kept
    size = sum(stored[uri] for uri in gone)
    if not is_dry:
        payload_files.remove(store, sorted(gone))
    return Done("superseded payloads", retention.payload_days, len(gone), size)


def clear_line_items(
    conn: psycopg.Connection, store: LandingStore, retention: Retention, *, is_dry: bool
) -> list[Done]:
    """Delete line items that no longer stand, and old orders; nothing where there are none.

    Connect as app. Raises: LoadError, StoreError, ConfigError.
    """
    stored = line_item_files.listed(store)
    if not stored:
        return []
    files, orders = line_item_files.superseded(conn, stored, retention.line_item_days)
    if not is_dry:
        payload_files.remove(store, sorted([*files, *orders]))
    return [
        Done(name, retention.line_item_days, len(gone), sum(stored[each] for each in gone))
        for name, gone in (("superseded line items", files), ("files of old orders", orders))
    ]


def _manifests(conn: psycopg.Connection, days: int) -> tuple[set[str], set[str]]:
    """Return the manifests that may go, and those that stay."""
    rows = conn.execute(
        "select payload_uri, bool_or(finished_at > now() - make_interval(days => %s)"
        " or exists (select from raw.partitions where deliveries.id in"
        " (partitions.delivery_id, partitions.blocked_by)))"
        " from raw.deliveries where payload_uri is not null group by 1",
        [days],
    ).fetchall()
    return {uri for uri, stays in rows if not stays}, {uri for uri, stays in rows if stays}


def _parts(store: LandingStore, manifest: str, stored: Mapping[str, int]) -> Iterator[str]:
    """Yield a manifest and the parts that it lists, as far as they are stored."""
    if manifest not in stored:
        return
    yield manifest
    try:
        parts = store.read_manifest(manifest).parts
    except (ValueError, KeyError, TypeError) as error:
        raise LoadError(
            f"The manifest {manifest} cannot be read.", hint="Run `astraeus doctor`."
        ) from error
    yield from (part.uri for part in parts if part.uri in stored)


def make_months(conn: psycopg.Connection, today: date) -> int:
    """Make the leaves of this month and the next two, so that no load has to. Connect as loader.

    Returns how many raw tables have them.
    """
    months = [today.replace(day=1)]
    for _ in range(_MONTHS_AHEAD):
        months.append(next_month(months[-1]))
    for table in RAW_TABLES:
        with conn.transaction():
            ddl.ensure_months(conn, table, months)
    return len(RAW_TABLES)


def tune_hot_tables(database: Database) -> int:
    """Let autovacuum come early to tables that are updated in place; return how many it changed."""
    changed = 0
    with database.connect("admin", autocommit=True) as conn:
        conn.execute("set lock_timeout = '5s'")
        for name in _HOT:
            row = conn.execute(
                "select coalesce(reloptions::text, '') like '%%autovacuum_vacuum_scale_factor%%'"
                " from pg_class where oid = to_regclass(%s)",
                [name],
            ).fetchone()
            if row is not None and not row[0]:
                conn.execute(
                    sql.SQL("alter table {} set (autovacuum_vacuum_scale_factor = {})").format(
                        sql.Identifier(*name.split(".")), sql.SQL(_SCALE)
                    )
                )
                changed += 1
    return changed


@contextmanager
def within(database: Database) -> Iterator[bool]:
    """Hold the backup's lock; yields False where a backup is under way, which may copy payloads."""
    with database.connect("admin", autocommit=True) as conn:
        yield backup.holds(conn)


def note(database: Database, actor: str, done: list[Done]) -> None:
    """Write into the audit log what went."""
    with database.connect("app") as conn:
        audit.note(
            conn,
            actor,
            "housekeeping.done",
            "housekeeping",
            **{each.name: each.gone for each in done if each.gone},
        )


def standing_days(conn: psycopg.Connection) -> dict[str, set[tuple[str, date]]]:
    """Return the Dagster runs that standing or held-back days came from, with these days.

    A day is (account, UTC day). Connect as app.
    """
    rows = conn.execute(
        "select deliveries.dagster_run_id, partitions.account_id, partitions.usage_date"
        " from raw.partitions inner join raw.deliveries"
        " on deliveries.id in (partitions.delivery_id, partitions.blocked_by)"
        " where deliveries.dagster_run_id is not null"
    )
    found: dict[str, set[tuple[str, date]]] = defaultdict(set)
    for run_id, account_id, day in rows:
        found[run_id].add((account_id, day))
    return found


def _count(conn: psycopg.Connection, query: str, days: int) -> int:
    row = conn.execute(query.encode(), {"days": days}).fetchone()
    return int(row[0]) if row else 0
