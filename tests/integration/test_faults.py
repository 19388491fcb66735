"""A handful of the faults of `benchmarks.faults`, through its own code: blocked, on their days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.landing import LandingStore
from benchmarks.fault_files import FocusFiles
from benchmarks.fault_sources import CostExplorer
from benchmarks.faults import Outcome, run
from tests.fixtures.parsed import hand_to_builds

pytestmark = pytest.mark.integration

# By layer: the fault, and the check that is to find it.
FAULTS = {
    "lost row": "control total",
    "wrong currency": "control total",
    "no currency": "row in quarantine",
    "typed row doubled": "control total",
    "raw cost negated": "ledger_vs_raw",
    "staging doubles a row": "raw_vs_staging",
    "payload cut off": "payload cannot be read",
    "an answer of another shape": "payload cannot be read",
    "payload otherwise when read again": "rows read back",
}
NONE = "E-notation of the same amount"
UNSEEN = "two errors of a day that cancel out"


@pytest.fixture(scope="module")
def outcomes(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Outcome]:
    home: Path = tmp_path_factory.mktemp("faults")
    hand_to_builds(module_database, home)
    today = datetime.now(UTC).date()
    found = run(
        module_database,
        LandingStore(str(home / "landing")),
        home,
        DayRange(today - timedelta(days=40), today - timedelta(days=1)),
        today=today,
        kinds=(CostExplorer, FocusFiles),
        only=frozenset({*FAULTS, NONE, UNSEEN}),
        is_tested=False,
    )
    return {each.fault: each for each in found}


@pytest.mark.parametrize(("fault", "check"), FAULTS.items())
def test_a_fault_is_blocked_on_its_day_and_said(
    outcomes: dict[str, Outcome], fault: str, check: str
) -> None:
    outcome = outcomes[fault]
    assert outcome.providers == {"aws", "focus"}
    assert outcome.hit >= 2
    assert outcome.standing == []
    assert set(outcome.by) == {check}


def test_no_clean_day_is_blocked(outcomes: dict[str, Outcome]) -> None:
    assert {day for each in outcomes.values() for day in each.clean_blocked} == set()
    assert min(len(each.clean) for each in outcomes.values()) > 20
    assert outcomes[NONE].hit >= 2


def test_what_no_total_can_see_is_not_claimed(outcomes: dict[str, Outcome]) -> None:
    """It would be told here if a check came to see it: the benchmark's note is wrong then."""
    assert len(outcomes[UNSEEN].standing) == outcomes[UNSEEN].hit >= 2
