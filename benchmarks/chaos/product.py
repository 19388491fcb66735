"""The whole product as `astraeus up` runs it: killed at random, its database gone, run twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
import psutil

from astraeus_pipeline.cli.children import Mark, read_state
from astraeus_pipeline.orchestration.partitions import key_of
from astraeus_pipeline.settings import PROJECT_ROOT
from benchmarks.alerts_daemon import Daemon
from benchmarks.chaos.bills import DAYS
from benchmarks.chaos.fault import Fault, Struck
from benchmarks.chaos.installation import Site
from benchmarks.chaos.pages import look_at
from benchmarks.cluster import LAUNCH
from benchmarks.warehouses import ADMIN_TOKEN

_VICTIMS: Final = ("code", "dagster", "daemon", "app", "monitor")
# `astraeus up` gives a program up that falls a fourth time; then all of it is killed, and started.
_FALLS: Final = 3
_PATIENCE: Final = 240.0
_TICK: Final = 40.0  # seconds in which every sensor ticks at least once


@dataclass
class Up:
    """`astraeus up` on the installation."""

    site: Site

    def start(self) -> None:
        """Start all of it in the background."""
        done = self._astraeus("up", "--detach", "--json")
        self.addresses: dict[str, str] = json.loads(done.stdout)

    def stop(self) -> None:
        """Stop what runs."""
        self._astraeus("stop")

    def marks(self) -> dict[str, Mark]:
        """Return what runs by name, the supervisor too."""
        return read_state(self.site.home / "run" / "up.json")[0]

    def is_well(self) -> bool:
        """Whether everything that serves does."""
        a = self.addresses
        asked = (
            f"{a['app']}/health/ready",
            f"{a['dagster']}/server_info",
            f"{a['monitor']}/health/ready",
        )
        marks = self.marks()
        is_there = all(name in marks and marks[name].is_alive() for name in _VICTIMS)
        return is_there and all(_answers(each) for each in asked)

    def kill(self, name: str) -> bool:
        """Kill a program; False if it was not there."""
        mark = self.marks().get(name)
        if mark is None or not mark.is_alive():
            return False
        psutil.Process(mark.pid).kill()
        return True

    def kill_all(self) -> int:
        """Kill the supervisor, then all that it had started."""
        marks = self.marks()
        names = ["supervisor", *(each for each in marks if each != "supervisor")]
        return sum(self.kill(each) for each in names)

    def launch(self) -> str:
        """Ask Dagster for all days of all accounts, as its UI does; return the backfill."""
        keys = [str(key_of(account, day)) for account in self.site.accounts for day in DAYS]
        params = {"assetSelection": [{"path": ["raw", "focus_costs"]}], "partitionNames": keys}
        answer = self._ask(LAUNCH, params=params)["launchPartitionBackfill"]
        return str(answer["backfillId"])

    def _ask(self, query: str, **variables: Any) -> Any:
        asked = {"query": query, "variables": variables}
        url = f"{self.addresses['dagster']}/graphql"
        return httpx.post(url, json=asked, timeout=120).json()["data"]

    def _astraeus(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "astraeus_pipeline.cli", *words],
            cwd=PROJECT_ROOT,
            env=os.environ | self.site.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done


@contextmanager
def _up(site: Site) -> Iterator[Up]:
    made = Up(site)
    try:
        made.start()
        _until(made.is_well, _PATIENCE)
        yield made
    finally:
        made.stop()


def kill_at_random(site: Site, kills: int) -> Struck:
    """Kill one program after another while runs are under way; all must answer again."""
    struck, falls, last = Struck(), Counter[str](), 0.0
    with _up(site) as up:
        _until(lambda: _knows_accounts(up, site), _PATIENCE)
        up.launch()
        while struck.kills < kills:
            name = site.draw.choice(_VICTIMS)
            if falls[name] == _FALLS:
                struck.kills += up.kill_all()
                struck.notes.append("all of it was killed, the supervisor first, and started")
                falls.clear()
                up.start()
            elif up.kill(name):
                falls[name] += 1
                struck.kills += 1
            last = time.monotonic()
            time.sleep(site.draw.uniform(0.5, 8.0))
        struck.unsaid += _recovered(up, struck, last)
        struck.wrong += site.halves()
    return struck


def lose_database(site: Site, kills: int) -> Struck:
    """Kill PostgreSQL under the whole product; nobody but itself may start it again."""
    struck = Struck()
    with _up(site) as up:
        while struck.kills < kills:
            site.killer.kill_postmaster(site.database)
            struck.kills += 1
            last = time.monotonic()
            struck.looks.append(look_at(up.addresses["app"], ADMIN_TOKEN, ("",)))
            struck.unsaid += _recovered(up, struck, last)
    return struck


def _recovered(up: Up, struck: Struck, last: float) -> list[str]:
    if not _until(up.is_well, _PATIENCE):
        return [f"not well again after {_PATIENCE:.0f} s"]
    struck.notes.append(f"all answered {time.monotonic() - last:.0f} s after the last kill")
    shown = look_at(up.addresses["app"], ADMIN_TOKEN, ("", "costs"))
    return [] if shown.drawn == () else [f"after recovery the app shows {shown.drawn}"]


def two_daemons(site: Site, kills: int) -> Struck:
    """Run two daemons over one installation until all is built and told; then kill both."""
    struck = Struck()
    site.finish(site.ingest(), "an ingestion before the daemons")
    daemons = [Daemon(site.home / f"daemon-{number}.log") for number in range(2)]
    for each in daemons:
        each.start()
    try:
        if not _until(lambda: _is_told(site), _PATIENCE):
            struck.wrong.append(f"two daemons had not told all alerts after {_PATIENCE:.0f} s")
        time.sleep(_TICK)
    finally:
        for each in daemons:
            each.kill()
            struck.kills += 1
    struck.notes.append(f"{_builds(site)} builds by two daemons")
    return struck


def _is_told(site: Site) -> bool:
    """Whether the newest rule's alerts have all been sent."""
    raised = site.bench.ask(
        f"select count(*) from app.alerts where rule_name = 'rule {site.bench.rules}'"
    )
    left = site.bench.ask("select count(*) from app.alert_deliveries where state <> 'sent'")
    return raised == len(site.accounts) and not left


def _builds(site: Site) -> int:
    with site.database.connect("dagster", autocommit=True) as conn:
        row = conn.execute(
            "select count(*) from dagster.runs where pipeline_name = 'build_marts'"
        ).fetchone()
    return int(row[0]) if row else 0


def _knows_accounts(up: Up, site: Site) -> bool:
    query = (
        '{ assetNodes(assetKeys: [{path: ["raw", "focus_costs"]}])'
        " { partitionKeysByDimension { name partitionKeys } } }"
    )
    try:
        [node] = up._ask(query)["assetNodes"]
    except (httpx.HTTPError, KeyError, TypeError, ValueError):
        return False
    axes = {each["name"]: each["partitionKeys"] for each in node["partitionKeysByDimension"]}
    return set(site.accounts) <= set(axes["account"])


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


FAULTS: Final = (
    Fault("daemon, web, code, app, monitor killed", kill_at_random, kills=16, at_once=16),
    Fault("database killed under `up`", lose_database, kills=2, at_once=2),
    Fault("two daemons at once", two_daemons, kills=2, at_once=2),
)
