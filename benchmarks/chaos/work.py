"""What is done by processes that are struck, forked from a server that has imported once."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from astraeus_pipeline.cli.backfill import run_backfill
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.exports import store
from astraeus_pipeline.orchestration import backfilling  # noqa: F401 - imported before the fork
from astraeus_pipeline.orchestration.alert_sending import Sender
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import open_database
from benchmarks import alerts
from benchmarks.chaos.bills import DAYS, TODAY
from tests.fixtures.dbt import warehouse
from tests.fixtures.delivering_child import deliver_all

WELL: Final = "all loaded"
Variables = Mapping[str, str]

_CONTEXT: Final = multiprocessing.get_context("forkserver")
# What rules and tie-out read, and what pages ask first.
MODELS: Final = ("+fct_threshold_breaches", "+fct_reconciliations", "data_version")


def prepare() -> None:
    """Say what the fork server imports; before the first child."""
    _CONTEXT.set_forkserver_preload([__name__])


def start(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start a child that does something, silently."""
    process = _CONTEXT.Process(target=_silent, args=(target, arguments), daemon=True)
    process.start()
    return process


def _silent(target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    target(*arguments)


def ingest(variables: Variables, accounts: list[str], said: Path, days: DayRange = DAYS) -> None:
    """Run Dagster's assets for the accounts, and write down what went wrong in their words."""
    os.environ.update(variables)
    settings = Settings.from_env()
    runs, _ = run_backfill(
        settings,
        open_database(settings),
        accounts,
        days,
        build_marts=False,
        second_try_after=0,
    )
    said.write_text("\n".join(run.error for run in runs if run.error))


def ingest_impatiently(variables: Variables, accounts: list[str], said: Path) -> None:
    """Ingest, giving a provider seconds to answer where it would be a minute, several times."""
    soon = replace(store.S3_PATIENCE, request=3.0, attempts=2)
    with patch.object(store, "S3_PATIENCE", soon):
        ingest(variables, accounts, said)


def deliver(variables: Variables, folder: Path) -> None:
    """Fetch and load the accounts' files without Dagster around it."""
    os.environ.update(variables)
    settings = Settings.from_env()
    deliver_all(open_database(settings), folder, settings.home / "landing", DAYS, TODAY)


def build(variables: Variables, target: Path, *select: str) -> None:
    """Build the marts with dbt, as of the same day each time."""
    os.environ.update(variables)
    with warehouse(open_database(Settings.from_env()), target) as marts:
        marts.build(*(("--select", *select) if select else ()), today=TODAY)


def seed(variables: Variables, target: Path) -> None:
    """Load what models need beside bills, then build all of them once."""
    os.environ.update(variables)
    with warehouse(open_database(Settings.from_env()), target) as marts:
        marts.dbt("seed")
        marts.build(today=TODAY)


def tick(variables: Variables) -> None:
    """Do once what the sensor of alerts does."""
    os.environ.update(variables)
    settings = Settings.from_env()
    alerts.tick(
        replace(Sender.from_settings(settings, open_database(settings)), lease=timedelta(0))
    )
