"""`astraeus up` on an installation: started, asked, its programs killed one by one, stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
import psutil

from astraeus_pipeline.cli.children import Mark, read_state
from astraeus_pipeline.orchestration.partitions import key_of
from astraeus_pipeline.settings import PROJECT_ROOT
from benchmarks.chaos.bills import DAYS
from benchmarks.chaos.installation import Site
from benchmarks.cluster import LAUNCH

PROGRAMS: Final = ("code", "dagster", "daemon", "app", "monitor")
PATIENCE: Final = 240.0


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
        is_there = all(name in marks and marks[name].is_alive() for name in PROGRAMS)
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

    def knows_accounts(self) -> bool:
        """Whether Dagster has a partition for each account by now."""
        query = (
            '{ assetNodes(assetKeys: [{path: ["raw", "focus_costs"]}])'
            " { partitionKeysByDimension { name partitionKeys } } }"
        )
        try:
            [node] = self._ask(query)["assetNodes"]
        except (httpx.HTTPError, KeyError, TypeError, ValueError):
            return False
        axes = {each["name"]: each["partitionKeys"] for each in node["partitionKeysByDimension"]}
        return set(self.site.accounts) <= set(axes["account"])

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
def running(site: Site) -> Iterator[Up]:
    """Start all of it and wait until it is well; stop it afterwards."""
    made = Up(site)
    try:
        made.start()
        until(made.is_well, PATIENCE)
        yield made
    finally:
        made.stop()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Wait until something holds; False if it does not come to that in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
