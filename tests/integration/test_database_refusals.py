"""A database that refuses, stops or is cut off in a load: said in words, with account and days."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from psycopg import sql

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration import backfilling, recovery, sensors
from astraeus_pipeline.orchestration.code_location import build_definitions
from astraeus_pipeline.orchestration.delivering import Delivered, Ingestion, deliver
from astraeus_pipeline.orchestration.partitions import ACCOUNT_TAG, range_tags
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import Database
from benchmarks.chaos.invariants import innards
from tests.fixtures.estate import add_focus_account, installed, write_month

pytestmark = pytest.mark.integration

TODAY = datetime.now(UTC).date()
DAYS = DayRange(TODAY.replace(day=1) - timedelta(days=2), TODAY.replace(day=1) - timedelta(days=1))

MONTH = DayRange.of_month(DAYS.last)


@pytest.fixture
def east(database: Database, tmp_path: Path) -> Iterator[Settings]:
    with installed(database, tmp_path / "home") as settings:
        month = DAYS.first.replace(day=1)
        write_month(tmp_path / "bills" / f"{month:%Y-%m}.csv", {day: ["1.25"] for day in DAYS})
        add_focus_account(database, settings, "east", tmp_path / "bills")
        yield settings


def run() -> Any:
    """Run the asset as `astraeus backfill` does, on a Dagster that needs no database."""
    instance = dg.DagsterInstance.ephemeral()
    sensors.sync_accounts(instance, ["focus"], {"focus": ["east"]})
    tags = {**range_tags("east", DAYS), ACCOUNT_TAG: "east", **recovery.process_tag()}
    return (
        build_definitions()
        .resolve_job_def("ingest_focus_costs")
        .execute_in_process(
            instance=instance, tags=tags, raise_on_error=False, run_config=backfilling._QUIET
        )
    )


def test_a_run_without_a_connection_says_so_for_its_account_and_days(
    east: Settings, database: Database
) -> None:
    with database.connect("admin", autocommit=True) as admin:
        name = sql.Identifier(str(database.admin_url.database))
        admin.execute(sql.SQL("alter database {} connection limit 0").format(name))
        result = run()
        admin.execute(sql.SQL("alter database {} connection limit -1").format(name))
    said = backfilling._error(result)
    assert said is not None and innards(said) is None, said
    assert f"Loading account east, {DAYS}" in said
    assert "all of its connections are taken" in said and "Run it again" in said
    assert backfilling._error(run()) is None


@pytest.mark.parametrize("asked", ["pg_terminate_backend", "pg_cancel_backend"])
def test_a_load_that_is_ended_in_the_database_is_said_and_in_the_ledger(
    east: Settings, database: Database, asked: str
) -> None:
    with database.connect("admin", autocommit=True) as admin, ThreadPoolExecutor(1) as aside:
        with admin.transaction():
            admin.execute("select pg_advisory_xact_lock(hashtextextended('load:east:costs', 0))")
            under_way = aside.submit(_deliver, east)
            admin.execute(f"select {asked}(%s)".encode(), [_waiting(admin)])
            delivered = under_way.result(30)
        rows = admin.execute("select reason from raw.deliveries where state = 'failed'").fetchall()
    [error] = delivered.errors
    said = str(error)
    assert [reason for (reason,) in rows] == [said]
    # The days of the file, which are more than those that were asked for.
    assert innards(said) is None and f"Loading account east, {MONTH}" in said, said
    assert "Nothing of this load stands." in said
    assert "stopped" in said


def _deliver(settings: Settings) -> Delivered:
    ingestion = Ingestion.from_settings(settings, "a-run")
    return deliver(ingestion, PROVIDERS["focus"], ingestion.account("east"), "costs", DAYS)


def _waiting(admin: psycopg.Connection) -> int:
    """Return the backend of the load that waits for the account's lock."""
    for _ in range(200):
        row = admin.execute(
            "select pid from pg_locks join pg_database as here on here.oid = database"
            " where not granted and locktype = 'advisory' and datname = current_database()"
        ).fetchone()
        if row:
            return int(row[0])
        time.sleep(0.05)
    raise AssertionError("no load waits")
