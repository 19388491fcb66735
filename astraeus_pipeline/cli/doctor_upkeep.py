"""What `astraeus doctor` asks of an installation that has run for a while."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from astraeus_pipeline.errors import ConfigError, DatabaseError
from astraeus_pipeline.settings import Settings

if TYPE_CHECKING:
    from astraeus_pipeline.warehouse.engine import Database

_LEAST_FREE_BYTES: Final = 2 * 10**9
_LEAST_FREE_SHARE: Final = 0.05
_STUCK_MINUTES: Final = 15
_LONGEST_WAIT: Final = timedelta(minutes=30)
_BACKUP_AGE: Final = timedelta(days=2)
_CHECKPOINT_MARGIN_DAYS: Final = 7
_FEW_CONNECTIONS: Final = 0.9
_NOT_YET: Final = "none before the database is migrated"


def _once_migrated(check: Callable[[Database], str]) -> Callable[[Settings], str]:
    """Ask the database where it is migrated; before that there is nothing to be wrong."""

    def checked(settings: Settings) -> str:
        from astraeus_pipeline.warehouse.engine import open_database
        from astraeus_pipeline.warehouse.migrate import is_migrated

        database = open_database(settings)
        return check(database) if is_migrated(database) else _NOT_YET

    return checked


def _disk(settings: Settings) -> str:
    from astraeus_pipeline.cli.output import size

    usage = shutil.disk_usage(settings.home)
    share = usage.free / usage.total
    said = f"{size(usage.free)} of {size(usage.total)} free at {settings.home}"
    if usage.free < _LEAST_FREE_BYTES or share < _LEAST_FREE_SHARE:
        raise ConfigError(
            f"Only {said}.",
            hint="Make room before loads fail: see what `astraeus housekeeping --dry-run` would"
            " let go, move old backups away, or move the landing store (ASTRAEUS_LANDING_URL).",
        )
    return said


@_once_migrated
def _locks(database: Database) -> str:
    from astraeus_pipeline.warehouse import operations

    with database.connect("admin", autocommit=True) as conn:
        stuck = operations.stuck(conn, _STUCK_MINUTES)
        used, most = operations.connections(conn)
    if stuck:
        told = "; ".join(
            f"process {each.pid} ({each.application or each.role}) {each.state} for"
            f" {each.seconds / 60:.0f} minutes, {each.blocks} wait for it"
            for each in stuck[:3]
        )
        raise DatabaseError(
            f"{len(stuck)} connections are stuck: {told}.",
            hint="If the process that opened it is gone: select pg_terminate_backend(PID); what it"
            " had begun is rolled back.",
        )
    if used > most * _FEW_CONNECTIONS:
        raise DatabaseError(
            f"{used} of {most} connections are taken.",
            hint="Stop what you started twice, or raise max_connections.",
        )
    return f"nothing waits for long; {used} of {most} connections"


@_once_migrated
def _rights(database: Database) -> str:
    from astraeus_pipeline.warehouse import privileges

    with database.connect("admin", autocommit=True) as conn:
        strays = privileges.strays(conn)
    if strays:
        raise DatabaseError(
            f"{len(strays)} rights that no role should have: {'; '.join(strays[:5])}.",
            hint="Run `astraeus db migrate`; what it leaves somebody has granted: revoke it.",
        )
    return "each role may do what is declared for it, and no more"


@_once_migrated
def _leaves(database: Database) -> str:
    from astraeus_pipeline.warehouse import operations

    with database.connect("app", autocommit=True) as conn:
        ahead = operations.months_ahead(conn)
    with database.connect("dagster", autocommit=True) as conn:
        is_kept = bool(operations.heartbeats(conn))
    short = [name for name, months in ahead.items() if months == 0]
    if short and is_kept:
        # No load fails of it, as each makes what it lacks; but it says that nobody keeps house.
        raise ConfigError(
            f"{len(short)} raw tables have no leaf for the next month ({', '.join(short[:3])}).",
            hint="Run `astraeus housekeeping`, and see that Dagster's daemon runs it every night.",
        )
    if short:
        return "of the next month once Dagster's daemon runs; until then loads make their own"
    return f"the next month's leaves of {len(ahead)} raw tables stand" if ahead else "none yet"


@_once_migrated
def _queue(database: Database) -> str:
    from astraeus_pipeline.warehouse import operations

    with database.connect("dagster", autocommit=True) as conn:
        queue = operations.queue(conn)
    waiting = queue.runs.get("QUEUED", 0)
    if queue.oldest_wait_seconds > _LONGEST_WAIT.total_seconds():
        raise ConfigError(
            f"{waiting} runs wait in the queue, the oldest for"
            f" {queue.oldest_wait_seconds / 60:.0f} minutes.",
            hint="See in Dagster which runs hold the places (one per account, some per provider),"
            " and end one that hangs.",
        )
    return f"{waiting} runs wait, {queue.runs.get('STARTED', 0)} are under way"


def _daemon(settings: Settings) -> str:
    return _once_migrated(partial(_signs_of_life, settings))(settings)


def _signs_of_life(settings: Settings, database: Database) -> str:
    from astraeus_pipeline.cli import children, up
    from astraeus_pipeline.warehouse import operations

    with database.connect("dagster", autocommit=True) as conn:
        beats = operations.heartbeats(conn)
    marks, _ = children.read_state(up.state_path(settings))
    if not beats and not marks:
        return "has not been started yet; `astraeus up` does it"
    silent = operations.silent(beats, datetime.now(UTC))
    if silent:
        since = max(beats.values(), default=None)
        raise ConfigError(
            f"No sign of {', '.join(silent).lower()}"
            f"{f' since {since:%Y-%m-%d %H:%M} UTC' if since else ''}: no schedule, sensor or queue"
            " moves.",
            hint="Run `astraeus up`; if it is up, `astraeus stop` first and read its last lines.",
        )
    return "alive"


@_once_migrated
def _checkpoints(database: Database) -> str:
    from astraeus_pipeline.warehouse import operations
    from astraeus_pipeline.warehouse.housekeeping import Retention

    days = Retention.from_env().checkpoint_days
    with database.connect("app", autocommit=True) as conn:
        late = operations.old_checkpoints(conn, days + _CHECKPOINT_MARGIN_DAYS)
    if late:
        raise ConfigError(
            f"{late} threads of the assistant are remembered for longer than {days} days.",
            hint="Run `astraeus housekeeping`, and see that Dagster's daemon runs it every night.",
        )
    return f"none is older than {days} days"


@_once_migrated
def _backup(database: Database) -> str:
    from astraeus_pipeline.warehouse import operations

    with database.connect("app", autocommit=True) as conn:
        last = operations.last_backup(conn)
        is_used = any(feed.rows for feed in operations.feeds(conn))
    if last is None:
        if not is_used:
            return "nothing to back up yet"
        raise ConfigError(
            "There is no backup.",
            hint='Run `astraeus backup DIR`, daily: DIR may be "$(date +%F)".',
        )
    age = datetime.now(UTC) - last
    if age > _BACKUP_AGE:
        raise ConfigError(
            f"The last backup was made {age.days} days ago.",
            hint="Run `astraeus backup DIR`, and see why its timer did not.",
        )
    return f"made {last:%Y-%m-%d %H:%M} UTC"


CHECKS: Final[dict[str, Callable[[Settings], str]]] = {
    "disk": _disk,
    "rights": _rights,
    "locks": _locks,
    "partitions": _leaves,
    "queue": _queue,
    "daemon": _daemon,
    "checkpoints": _checkpoints,
    "backup": _backup,
}
