"""Steps on Celery's workers over a real Redis: a killed worker's step is done by another."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from pydantic import SecretStr

from astraeus_pipeline import worker_probe
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration import celery_steps, sensors
from astraeus_pipeline.orchestration.partitions import ACCOUNT_TAG, range_tags
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.settings import PROJECT_ROOT, Settings
from astraeus_pipeline.warehouse.engine import Database
from benchmarks.cluster import redis_server
from tests.fixtures.estate import add_focus_account, installed, write_month

pytestmark = pytest.mark.integration

DAYS = DayRange(date(2026, 10, 1), date(2026, 10, 3))
LOST_AFTER = 5


@pytest.fixture
def settings(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not on the PATH (Debian: apt-get install redis-server)")
    with redis_server(tmp_path / "redis", "127.0.0.1") as url:
        monkeypatch.setenv("ASTRAEUS_EXECUTOR", "celery")
        monkeypatch.setenv("ASTRAEUS_CELERY_BROKER", url)
        monkeypatch.setenv("ASTRAEUS_WORKER_LOST_AFTER", str(LOST_AFTER))
        with installed(database, tmp_path / "home") as settings:
            yield settings


@pytest.fixture
def workers(settings: Settings) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start two workers of one step each; end them."""
    started = {name: _worker(settings, name) for name in ("first", "second")}
    try:
        yield started
    finally:
        for process in started.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _worker(settings: Settings, name: str) -> subprocess.Popen[bytes]:
    # Prepared is this process's environment, which it inherits.
    words = ["-m", "astraeus_pipeline.cli", "worker", "--prepared", "--steps", "1", "--name", name]
    with (settings.home / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=PROJECT_ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def until(found: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + 60
    while not (result := found()):
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.1)
    return result


def test_a_killed_workers_step_is_done_by_another(
    database: Database,
    settings: Settings,
    workers: dict[str, subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    write_month(tmp_path / "east" / "month.csv", {day: ["1.25"] for day in DAYS})
    add_focus_account(database, settings, "east", tmp_path / "east")
    instance = dg.DagsterInstance.get()
    sensors.sync_accounts(instance, PROVIDERS, {"focus": ["east"]})
    inspect = celery_steps.worker_app(settings).control.inspect(timeout=0.5)
    until(lambda: len(inspect.ping() or ()) == 2, "the workers")
    assert worker_probe.answers(settings, "first")
    with (
        ThreadPoolExecutor(1) as pool,
        database.connect("loader") as other,
    ):
        # The load waits here in its transaction for as long as we like.
        other.execute("select pg_advisory_xact_lock(hashtextextended('load:east:costs', 0))")
        run = pool.submit(_run, instance)
        until(lambda: _is_waiting(database), "the load")
        [at_work] = [name for name, steps in (inspect.active() or {}).items() if steps]
        victim = workers[at_work.partition("@")[0]]
        assert worker_probe.answers(settings, at_work.partition("@")[0])  # in the midst of a step
        os.killpg(victim.pid, signal.SIGKILL)
        other.rollback()
        result = run.result(60)
    assert result.success
    assert not worker_probe.answers(settings, at_work.partition("@")[0])
    assert not worker_probe.answers(
        settings.model_copy(update={"celery_broker": SecretStr("redis://127.0.0.1:1/0")})
    )
    [begun] = [  # of those that came back to the run
        event.engine_event_data.metadata["Celery worker"].value
        for event in result.all_events
        if event.is_engine_event and "Celery worker" in event.engine_event_data.metadata
    ]
    assert begun != at_work
    with database.connect("admin") as conn:
        rows = conn.execute("select usage_date, billed_cost from raw.focus_costs").fetchall()
        loads = conn.execute("select state from raw.deliveries").fetchall()
    assert sorted(rows) == [(day, Decimal("1.25")) for day in DAYS]
    assert loads == [("loaded",)]


def _run(instance: dg.DagsterInstance) -> dg.JobExecutionResult:
    """Run the job as a run's process does, which waits for its steps."""
    repository = ReconstructableRepository.for_module(
        "astraeus_pipeline.definitions", "defs", str(PROJECT_ROOT)
    )
    return dg.execute_job(
        repository.get_reconstructable_job("ingest_focus_costs"),
        instance,
        tags={**range_tags("east", DAYS), ACCOUNT_TAG: "east"},
    )


def _is_waiting(database: Database) -> bool:
    with database.connect("admin") as conn:
        row = conn.execute(
            "select count(*) from pg_locks join pg_stat_activity using (pid)"
            " where not granted and locktype = 'advisory' and datname = current_database()"
        ).fetchone()
    return bool(row and row[0])
