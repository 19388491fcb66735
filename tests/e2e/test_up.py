"""`astraeus up` as people run it: everything answers, what falls is started again, all ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from astraeus_pipeline.cli.children import END_SECONDS, Mark, read_state
from astraeus_pipeline.settings import PROJECT_ROOT
from astraeus_pipeline.warehouse.engine import Database
from benchmarks.cluster import LAUNCH
from tests.fixtures.estate import add_focus_account, installed, write_month

pytestmark = [pytest.mark.e2e, pytest.mark.integration, pytest.mark.timeout(400)]
DAY = datetime.now(UTC).date().replace(day=1) - timedelta(days=1)
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


def ask_dagster(address: str, query: str, **variables: Any) -> Any:
    request = urllib.request.Request(
        f"{address}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())["data"]


@pytest.fixture
def home(database: Database, tmp_path: Path) -> Iterator[Path]:
    with installed(database, tmp_path) as settings:
        write_month(tmp_path / "bills" / f"{DAY:%Y-%m}.csv", {DAY: ["1.25"]})
        add_focus_account(database, settings, "acme", tmp_path / "bills")
        yield tmp_path
        astraeus("stop")


def test_everything_comes_up_heals_and_ends(home: Path, database: Database) -> None:
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
    processes = [each for mark in running.values() for each in _tree(mark)]
    with database.connect("admin", autocommit=True) as conn, conn.transaction():
        # A load that would not end by itself: it waits for its account's lock.
        conn.execute("select pg_advisory_xact_lock(hashtextextended('load:acme:costs', 0))")
        asked = {
            "assetSelection": [{"path": ["raw", "focus_costs"]}],
            "partitionNames": [f"acme|{DAY}"],
        }
        ask_dagster(addresses["dagster"], LAUNCH, params=asked)
        wait_until(lambda: _is_waiting(conn), 120, "the run is in its load")
        began = time.monotonic()
        astraeus("stop")
        took = time.monotonic() - began
    assert took < END_SECONDS, took  # by itself: nothing had to be killed
    assert not [name for name, mark in running.items() if mark.is_alive()]
    assert not [each for each in processes if each.is_alive()]
    assert not (home / "run" / "up.json").exists()
    with database.connect("dagster", autocommit=True) as conn:
        [(status,)] = conn.execute("select status from dagster.runs").fetchall()
        reasons = conn.execute(
            "select value from dagster.run_tags where key = 'dagster/failure_reason'"
        ).fetchall()
    # Dagster starts such a run once more, by itself.
    assert (status, reasons) == ("FAILURE", [("UNEXPECTED_TERMINATION",)])


def _tree(mark: Mark) -> list[Mark]:
    return [Mark.of(each.pid) for each in psutil.Process(mark.pid).children(recursive=True)]


def _is_waiting(conn: psycopg.Connection) -> bool:
    row = conn.execute(
        # Not pg_stat_activity, which stands still within a transaction.
        "select count(*) from pg_locks join pg_database as here on here.oid = database"
        " where not granted and locktype = 'advisory' and datname = current_database()"
    ).fetchone()
    return bool(row and row[0])


def _marks(home: Path) -> dict[str, Mark]:
    return read_state(home / "run" / "up.json")[0]
