"""`astraeus up` as people run it: everything answers, what falls is started again, all ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from astraeus_pipeline.cli.children import Mark, read_state
from astraeus_pipeline.settings import PROJECT_ROOT
from astraeus_pipeline.warehouse.engine import Database
from tests.fixtures.estate import add_focus_account, installed

pytestmark = [pytest.mark.e2e, pytest.mark.integration, pytest.mark.timeout(400)]
PROGRAMS = {"supervisor", "code", "dagster", "daemon", "app", "monitor"}


def astraeus(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "astraeus_pipeline.cli", *words],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait_until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.5)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def ask_dagster(address: str, query: str) -> Any:
    request = urllib.request.Request(
        f"{address}/graphql",
        json.dumps({"query": query}).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())["data"]


@pytest.fixture
def home(database: Database, tmp_path: Path) -> Iterator[Path]:
    with installed(database, tmp_path) as settings:
        add_focus_account(database, settings, "acme", tmp_path / "bills")
        yield tmp_path
        astraeus("stop")


def test_everything_comes_up_heals_and_ends(home: Path) -> None:
    addresses = json.loads(astraeus("up", "--detach", "--json"))
    marks = _marks(home)
    assert set(marks) == PROGRAMS
    assert answers(f"{addresses['app']}/_stcore/health")

    def axis() -> list[str]:
        query = (
            '{ assetNodes(assetKeys: [{path: ["raw", "focus_costs"]}])'
            " { partitionKeysByDimension { name partitionKeys } } }"
        )
        [node] = ask_dagster(addresses["dagster"], query)["assetNodes"]
        axes = {each["name"]: each["partitionKeys"] for each in node["partitionKeysByDimension"]}
        keys: list[str] = axes["account"]
        return keys

    wait_until(lambda: axis() == ["acme"], 120, "the daemon's sensor adds the account's partition")

    psutil.Process(marks["app"].pid).kill()
    wait_until(
        lambda: _marks(home).get("app", marks["app"]).pid != marks["app"].pid,
        120,
        "the app is started again",
    )
    wait_until(lambda: answers(f"{addresses['app']}/_stcore/health"), 120, "the app answers again")

    running = _marks(home)
    astraeus("stop")
    assert not [name for name, mark in running.items() if mark.is_alive()]
    assert not (home / "run" / "up.json").exists()


def _marks(home: Path) -> dict[str, Mark]:
    return read_state(home / "run" / "up.json")[0]
