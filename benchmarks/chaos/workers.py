"""Celery's workers on two hosts: killed, cut off and back early, their Redis gone and back.

An installation of its own on network namespaces (benchmarks/cluster.py), so charges and days are
judged there; alerts and pages have no part in it.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from astraeus_pipeline.orchestration.celery_steps import MAX_TAKEOVERS
from benchmarks.chaos import invariants, reading
from benchmarks.chaos.bills import DAYS
from benchmarks.chaos.fault import Fault, Struck
from benchmarks.chaos.installation import Site
from benchmarks.cluster import Cluster, cluster
from benchmarks.data import cache_folder
from benchmarks.estates import bill
from benchmarks.hosts import hosts
from benchmarks.kill import state

_LOST_AFTER: Final = 12  # seconds; ASTRAEUS_WORKER_LOST_AFTER
_PATIENCE: Final = 240.0
_HOSTS: Final = ("one", "two")
_JUDGED: Final = (invariants.CHARGES, invariants.WHOLE)

_T = TypeVar("_T")
During = Callable[[Cluster, Struck], None]


def strike_all(site: Site, kills: int) -> Struck:
    """Run a backfill for each fault of workers and Redis; hold what stands against the bills."""
    struck = Struck()
    home = Path(tempfile.mkdtemp(prefix="workers-", dir=cache_folder()))
    try:
        with (
            hosts(*_HOSTS) as made,
            cluster(
                home, made, site.versions[0].files, lost_after=_LOST_AFTER, steps=1
            ) as site_of_workers,
        ):
            for number, (name, during) in enumerate(_FAULTS.items()):
                try:
                    _backfill(site, site_of_workers, number, name, during, struck)
                except AssertionError as error:
                    struck.wrong.append(f"{name}: {error}")
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return struck


def _backfill(
    site: Site, there: Cluster, number: int, name: str, during: During, struck: Struck
) -> None:
    version = site.versions[number % 2]
    bill(there.database, version.files)
    started = time.monotonic()
    ran = there.backfill(site.accounts, DAYS, lambda: during(there, struck))
    there.wait(lambda: len(there.answering()) == len(_HOSTS), "the workers", _PATIENCE)
    standing = reading.slices(there.database)
    wrong = invariants.halves(standing, site.calm.slices)
    if ran.status == "COMPLETED_SUCCESS":
        wrong += invariants.lost_or_doubled(
            standing, version.charged, state(there.database), site.calm.states[number % 2]
        )
    struck.wrong += [f"{name}: {each}" for each in wrong]
    print(f"    {name}: {ran.status}", *wrong, sep="\n        ", flush=True)
    struck.notes.append(
        f"{name}: {ran.status}, {ran.failed_runs} runs failed, {ran.takeovers} steps taken over,"
        f" {time.monotonic() - started:.0f} s"
    )


def _kill_worker(there: Cluster, struck: Struck) -> None:
    """Kill a whole worker in a load; the other one does its step."""
    with _held(there) as at_work:
        there.replace_worker(at_work)
    struck.kills += 1


def _kill_child(there: Cluster, struck: Struck) -> None:
    """Kill the process in which a living worker does a step: the run fails, Dagster starts anew."""
    with _held(there) as at_work:
        for child in there.pool_of(at_work):
            child.kill()
            struck.kills += 1


def _restart_redis(there: Cluster, struck: Struck) -> None:
    with _held(there):
        there.redis.stop(kind=signal.SIGKILL)
        struck.kills += 1
        time.sleep(2)
        there.redis.start()


def _forget_redis(there: Cluster, struck: Struck) -> None:
    with _held(there):
        there.redis.stop(kind=signal.SIGKILL, forgetting=True)
        struck.kills += 1
        time.sleep(2)
        there.redis.start()


def _cable_back_early(there: Cluster, _: Struck) -> None:
    """Cut a host off in a load, for less than makes it count as lost."""
    with _held(there) as at_work:
        there.hosts.cut(at_work)
        time.sleep(_LOST_AFTER / 4)
        there.hosts.mend(at_work)


def _take_over_too_often(there: Cluster, struck: Struck) -> None:
    """Kill each worker that begins the step: after three takeovers it is given up, in words."""
    with _held(there) as at_work:
        seen = set(_waiting(there))
        for left in reversed(range(MAX_TAKEOVERS + 1)):
            there.replace_worker(at_work)
            struck.kills += 1
            if left:
                pid, at_work = _until(lambda: _another(there, seen))
                seen.add(pid)
        _until(lambda: _is_given_up(there))


def _another(there: Cluster, seen: set[int]) -> tuple[int, str] | None:
    return next((each for each in _waiting(there).items() if each[0] not in seen), None)


def _is_given_up(there: Cluster) -> bool:
    with there.admin() as conn:
        row = conn.execute(
            "select count(*) from dagster.event_logs where event like '%workers were lost over%'"
        ).fetchone()
    return bool(row and row[0])


@contextmanager
def _held(there: Cluster) -> Iterator[str]:
    """Let the first account's load wait in its transaction; yield the host that is at it."""
    with there.database.connect("loader") as conn:
        conn.execute("select pg_advisory_xact_lock(hashtextextended('load:bench-00:costs', 0))")
        yield next(iter(_until(lambda: _waiting(there)).values()))
        conn.rollback()


def _waiting(there: Cluster) -> dict[int, str]:
    """Return the hosts of sessions that wait for the lock, by the server's process."""
    there.watch()
    with there.admin() as conn:
        rows = conn.execute(
            "select distinct pid, host(client_addr) from pg_locks join pg_stat_activity using (pid)"
            " where not granted and locktype = 'advisory' and datname = current_database()"
            " and usename = 'astraeus_loader'"  # builds of the marts wait for one another, too
        ).fetchall()
    names = {there.hosts.address(name): name for name in _HOSTS}
    return {pid: names[address] for pid, address in rows if address in names}


def _until(found: Callable[[], _T | None]) -> _T:
    deadline = time.monotonic() + _PATIENCE
    while not (result := found()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)
    return result


def _missing() -> str | None:
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    missing = [name for name in ("ip", "redis-server") if shutil.which(name) is None]
    return f"{', '.join(missing)} missing (Debian: iproute2, redis-server)" if missing else None


_FAULTS: Final[dict[str, During]] = {
    "a worker killed": _kill_worker,
    "a worker's child killed": _kill_child,
    "Redis killed, memory kept": _restart_redis,
    "Redis killed, memory lost": _forget_redis,
    "a cable back early": _cable_back_early,
    "every worker of a step killed": _take_over_too_often,
    "peace afterwards": lambda _there, _struck: None,
}
FAULTS: Final = (
    Fault(
        "workers, Redis and cables of Celery",
        strike_all,
        kills=8,
        at_once=8,
        judged=_JUDGED,
        lacks=_missing,
    ),
)
