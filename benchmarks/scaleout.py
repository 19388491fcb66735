"""Claim: two hosts share a backfill over Celery, one is cut off half way, and nothing is missing.

20 accounts x 365 days of FOCUS files go through Dagster's own backfill: its web server, daemon and
code server here, with PostgreSQL, Redis and an S3; steps on workers in network namespaces of their
own, which reach this machine over a bridge and have nothing else. Three times: two workers of which
one loses its cable in the middle of a load and gets it back when all is done, two, and one. Rows
and partitions must each time equal those of the same backfill in one process, without any of it.

Needs root, iproute2 and redis-server; what it makes it removes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from astraeus_pipeline.contracts.days import DayRange
from benchmarks.backfill import ingest
from benchmarks.cluster import Cluster, Ran, cluster
from benchmarks.data import Estate, cache_folder, files
from benchmarks.estates import Files, add_accounts
from benchmarks.hosts import hosts
from benchmarks.kill import State, differing, state
from benchmarks.measure import machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import scratch

LAST: Final = date(2026, 9, 30)
LOADING: Final = """
select exists (select 1 from pg_stat_activity where usename = 'astraeus_loader'
               and client_addr = %s::inet and xact_start is not null),
       (select count(*) from raw.partitions where delivery_id is not null)
"""
SESSIONS: Final = "select count(*) from pg_stat_activity where client_addr = %s::inet"


class Cut:
    """Cuts a host off in the middle of a load; notes when the server had forgotten it."""

    def __init__(self, name: str, wanted: int) -> None:
        self.name, self.wanted = name, wanted
        self.stood = 0
        self.sessions_ended_after: float | None = None

    def __call__(self, made: Cluster) -> None:
        """Wait for the middle, and for an open transaction of the host; then cut it off."""
        address = made.hosts.address(self.name)
        with made.admin() as conn:
            while True:
                row = conn.execute(LOADING, [address]).fetchone()
                assert row is not None
                if row[0] and row[1] >= self.wanted * 0.4:
                    break
                assert row[1] < self.wanted, "it ended before it could be cut"
                time.sleep(0.01)
            made.hosts.cut(self.name)
            self.stood, at = int(row[1]), time.monotonic()
            while time.monotonic() < at + 120:
                made.watch()
                [(left,)] = conn.execute(SESSIONS, [address]).fetchall()
                if left == 0:
                    self.sessions_ended_after = time.monotonic() - at
                    return
                time.sleep(0.2)


class Trial:
    """Backfills of the same bills by different workers, each on an installation of its own."""

    def __init__(self, chosen: argparse.Namespace, paths: Files, estate: Estate) -> None:
        self.chosen, self.paths, self.estate = chosen, paths, estate

    def run(
        self, names: tuple[str, ...], during: Callable[[Cluster], None] | None = None
    ) -> tuple[Ran, State, State]:
        """Run the backfill; return how it went, what stood at its end and what some time later."""
        home = Path(tempfile.mkdtemp(prefix="cluster-", dir=cache_folder()))
        options: dict[str, Any] = {
            "lost_after": self.chosen.lost_after,
            "steps": self.chosen.steps,
        }
        try:
            with hosts(*names) as made, cluster(home, made, self.paths, **options) as site:
                ran = site.backfill(
                    self.estate.account_ids(),
                    self.estate.days,
                    lambda: during(site) if during else None,
                )
                at_end = later = state(site.database)
                if isinstance(during, Cut):
                    made.mend(during.name)
                    site.wait(lambda: len(site.answering()) == len(names), "the mended worker", 240)
                    time.sleep(self.chosen.lost_after)
                    later = state(site.database)
                return ran, at_end, later
        finally:
            if self.chosen.keep:
                print(f"kept: {home}")
            else:
                shutil.rmtree(home)


def main() -> None:
    """Run the three, compare, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=20)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rows-per-day", type=int, default=50)
    parser.add_argument("--steps", type=int, default=1, help="steps at once on each worker")
    parser.add_argument("--lost-after", type=int, default=30, help="ASTRAEUS_WORKER_LOST_AFTER")
    parser.add_argument("--only-cut", action="store_true", help="without the two for the speed-up")
    parser.add_argument("--keep", action="store_true", help="keep the folders, with their logs")
    chosen = parser.parse_args()
    if missing := [name for name in ("ip", "redis-server") if shutil.which(name) is None]:
        print(f"Not measured: {', '.join(missing)} missing (Debian: iproute2, redis-server).")
        return
    if os.geteuid() != 0:
        print("Not measured: only root makes network namespaces.")
        return
    days = DayRange(LAST - timedelta(days=chosen.days - 1), LAST)
    estate = Estate(chosen.accounts, days, chosen.rows_per_day)
    paths = files(estate, "parquet")
    with scratch() as place:
        on = machine(place.admin)
        add_accounts(place, paths)
        started = time.perf_counter()
        ingest(place.home, estate.account_ids(), days)
        alone = time.perf_counter() - started
        wanted = state(place.database)
    assert sum(row[1] for row in wanted.contents) == estate.rows, wanted.contents
    trial, cut = Trial(chosen, paths, estate), Cut("two", chosen.accounts * chosen.days)
    trials: dict[str, tuple[Ran, State, State]] = {}
    trials["two workers, one cut off"] = trial.run(("one", "two"), cut)
    if not chosen.only_cut:
        _report(alone, wanted, trials, cut, estate, on, vars(chosen)).publish()
        trials["two workers"] = trial.run(("one", "two"))
        trials["one worker"] = trial.run(("one",))
    report = _report(alone, wanted, trials, cut, estate, on, vars(chosen))
    raise SystemExit(0 if report.publish() else 1)


def _report(
    alone: float,
    wanted: State,
    trials: dict[str, tuple[Ran, State, State]],
    cut: Cut,
    estate: Estate,
    on: dict[str, str],
    options: dict[str, Any],
) -> Report:
    partitions = estate.accounts * len(estate.days)
    rows = [("one process, no Celery", f"{alone:.1f}", "", "", "")]
    rows += [
        (
            way,
            f"{ran.seconds:.1f}",
            _shares(ran),
            str(ran.takeovers),
            str(ran.failed_runs),
        )
        for way, (ran, _, _) in trials.items()
    ]
    states = [each for _, at_end, later in trials.values() for each in (at_end, later)]
    goals = [
        Goal(
            "partitions that do not stand",
            max(partitions - _standing(at_end) for _, at_end, _ in trials.values()),
            0,
        ),
        Goal(
            "accounts whose rows differ",
            max(differing(wanted.contents, each.contents) for each in states),
            0,
        ),
        Goal(
            "partitions that differ",
            max(differing(wanted.partitions, each.partitions) for each in states),
            0,
        ),
        Goal(
            "backfills that Dagster does not call complete",
            sum(ran.status != "COMPLETED_SUCCESS" for ran, _, _ in trials.values()),
            0,
        ),
        Goal(
            "steps that the other worker took over",
            trials["two workers, one cut off"][0].takeovers,
            1,
            at_least=True,
        ),
        Goal(
            "runs of one account at once",
            max(ran.most_at_once for ran, _, _ in trials.values()),
            1,
        ),
    ]
    notes = [
        f"Cut off in an open transaction when {cut.stood:,} of {partitions:,} partitions stood;"
        f" PostgreSQL had ended its sessions after {cut.sessions_ended_after or 0:.0f} s."
        " Compared at the end, and again after the host had come back.",
        "A run is a process here that waits for its step on a worker: on one machine of"
        f" {on['cores']} cores all hosts, Dagster and PostgreSQL share these.",
    ]
    if "one worker" in trials:
        one, two = trials["one worker"][0].seconds, trials["two workers"][0].seconds
        notes.insert(0, f"Two workers against one: {one / two:.2f} times, on {on['cores']} cores.")
    return Report(
        name="scaleout",
        title=f"Backfill of {partitions:,} partitions by workers on two hosts, one cut off",
        machine=on,
        options=options,
        header=("way", "s", "steps begun by", "taken over", "failed runs"),
        rows=rows,
        goals=goals,
        notes=notes,
    )


def _shares(ran: Ran) -> str:
    workers = [worker.partition("@")[0] for _, _, worker in ran.executed]
    return ", ".join(f"{each} {workers.count(each)}" for each in sorted(set(workers)))


def _standing(found: State) -> int:
    """Count the days that stand; one at the turn of a month may stand in two billing periods."""
    return len({row[:2] for row in found.partitions if row[-1] == "loaded"})


if __name__ == "__main__":
    main()
