"""Two daemons over one installation, each with a code server: the queue, marts and alerts are due.

One is that of `astraeus up`, the other one somebody has started beside it, on another machine, say.
Dagster says that it does not support this, and does not prevent it either.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from astraeus_pipeline.orchestration.sensors import MARTS_JOB, pending_slices
from benchmarks.alerts_daemon import Daemon
from benchmarks.chaos.fault import Fault, Struck
from benchmarks.chaos.installation import Site
from benchmarks.chaos.up import PATIENCE, Up, running, until

# What must beat in both of them: the queue of runs, and the sensors of marts and alerts.
_AT_WORK: Final = ("QUEUED_RUN_COORDINATOR", "SENSOR")
_BEATS: Final = """
select daemon_type, daemon_id from dagster.daemon_heartbeats where timestamp > %s
"""
# Newer ones than a run: builds, those of a backfill, and those that are not over.
_RUNS: Final = """
select count(*) filter (where pipeline_name = %(build)s),
       count(*) filter (where run_id in (
           select run_id from dagster.run_tags where key = 'dagster/backfill'
           and value = %(backfill)s
       )),
       count(*) filter (where status not in ('SUCCESS', 'FAILURE', 'CANCELED'))
from dagster.runs where id > %(newest)s
"""
_DUE_SECONDS: Final = 300.0


def two_daemons(site: Site, kills: int) -> Struck:
    """Run two daemons until all that is due is loaded, built and told; then kill both."""
    struck = Struck()
    with running(site) as up:
        until(up.knows_accounts, PATIENCE)
        with _another(site) as other:
            both = _Both(site)
            if not until(both.beat, PATIENCE):
                struck.missed.append(f"only these daemons gave a sign: {sorted(both.seen)}")
            site.bench.cross()  # due from now on, while both are there
            both.backfill = up.launch()
            if not until(both.are_through, _DUE_SECONDS):
                struck.wrong.append(
                    f"two daemons were not through after {_DUE_SECONDS:.0f} s: {both.left()}"
                )
            runs = both.runs()
            struck.hit(runs.builds, "two daemons built nothing")
            struck.hit(runs.loads, "two daemons loaded nothing")
            struck.notes.append(
                f"both gave signs; {runs.loads} runs of a backfill and {runs.builds} builds by them"
            )
            struck.missed += _absent(up, other)
            struck.kills += _kill_both(up, other)
    struck.wrong += site.halves()
    return struck


@contextmanager
def _another(site: Site) -> Iterator[Daemon]:
    daemon = Daemon(site.home / "another-daemon.log")
    daemon.start()
    try:
        yield daemon
    finally:
        if _is_alive(daemon):
            daemon.kill()


@dataclass(frozen=True)
class _Runs:
    builds: int
    loads: int
    under_way: int


class _Both:
    """What two daemons have done since now, as the database knows it."""

    def __init__(self, site: Site) -> None:
        self._site, self._since = site, datetime.now(UTC).replace(tzinfo=None)
        self.seen: set[tuple[str, str]] = set()
        self.backfill = ""
        with site.database.connect("dagster", autocommit=True) as conn:
            [(self._newest,)] = conn.execute(
                "select coalesce(max(id), 0) from dagster.runs"
            ).fetchall()

    def beat(self) -> bool:
        """Whether each part that works gave signs of two daemons; one overwrites the other's."""
        with self._site.database.connect("dagster", autocommit=True) as conn:
            self.seen |= set(conn.execute(_BEATS, [self._since]).fetchall())
        kinds = [kind for kind, _ in self.seen]
        return all(kinds.count(kind) >= 2 for kind in _AT_WORK)

    def are_through(self) -> bool:
        """Whether all is loaded, built and told."""
        return not self.left()

    def left(self) -> list[str]:
        """Return what is still to be done."""
        with self._site.database.connect("dbt", autocommit=True) as conn:
            is_pending = pending_slices(conn) is not None
        bench = self._site.bench
        raised = bench.ask(
            f"select count(*) from app.alerts where rule_name = 'rule {bench.rules}'"
        )
        unsent = bench.ask("select count(*) from app.alert_deliveries where state <> 'sent'")
        runs = self.runs()
        left = {
            "no run of the backfill": not runs.loads,
            "no build": not runs.builds,
            "runs under way": runs.under_way > 0,
            "days that the marts lack": is_pending,
            "alerts not raised": raised < len(self._site.accounts),
            "messages not sent": unsent > 0,
        }
        return [what for what, is_so in left.items() if is_so]

    def runs(self) -> _Runs:
        """Count the runs that were launched since."""
        asked = {"build": MARTS_JOB, "backfill": self.backfill, "newest": self._newest}
        with self._site.database.connect("dagster", autocommit=True) as conn:
            [counted] = conn.execute(_RUNS, asked).fetchall()
        return _Runs(*counted)


def _absent(up: Up, other: Daemon) -> list[str]:
    alive = {"the one of `up`": up.marks()["daemon"].is_alive(), "the other one": _is_alive(other)}
    return [f"of two daemons {name} had ended" for name, is_so in alive.items() if not is_so]


def _kill_both(up: Up, other: Daemon) -> int:
    killed = int(up.kill("daemon"))
    if _is_alive(other):
        other.kill()
        killed += 1
    return killed


def _is_alive(daemon: Daemon) -> bool:
    return daemon.process is not None and daemon.process.poll() is None


FAULTS: Final = (Fault("two daemons at once", two_daemons, kills=2, at_once=2),)
