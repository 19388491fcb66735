"""`astraeus demo` from an empty home: all providers, a restatement, and nothing unexplained."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.settings import PROJECT_ROOT
from astraeus_pipeline.warehouse.engine import Database
from tests.fixtures.estate import installed
from tests.fixtures.parsed import hand_to_builds

pytestmark = [pytest.mark.e2e, pytest.mark.integration, pytest.mark.timeout(600)]


def astraeus(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "astraeus_pipeline.cli", *words],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def states(*words: str) -> Any:
    return json.loads(astraeus("reconcile", "--json", *words))


def test_the_demo_shows_every_provider_tied_out(database: Database, tmp_path: Path) -> None:
    with installed(database, tmp_path):
        hand_to_builds(database, tmp_path)
        try:
            said = astraeus("demo", "--no-serve")
            assert "comparisons are exact or explained" in said
            assert "Restated since the first load" in said
            assert {row["state"] for row in states()} <= {
                "exact",
                "within rounding",
                "no control total",
                "not comparable yet",
            }
            assert states("--state", "blocked", "--rows") == []
            with database.connect("operator") as conn:
                billed = conn.execute(
                    "select distinct provider from marts.fct_daily_costs where billed_cost > 0"
                ).fetchall()
                stocked = conn.execute(
                    "select distinct provider from marts.dim_resources where is_active"
                ).fetchall()
                [restated] = conn.execute(
                    "select count(distinct account_id) from marts.fct_restatements"
                ).fetchone() or [0]
            assert {row[0] for row in billed} == set(PROVIDERS)
            assert {row[0] for row in stocked} == {"aws", "azure", "snowflake"}
            assert restated >= 6
        finally:
            astraeus("stop")
