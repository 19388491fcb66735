"""`astraeus demo` from an empty home, and the assistant's golden set on what it made."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from app.assistant.policy import read_policy
from app.assistant.settings import AssistantSettings
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.settings import PROJECT_ROOT
from astraeus_pipeline.warehouse.engine import Database
from evals import checking
from evals.grading import grade
from evals.oracles import Known
from evals.report import of_mutants
from evals.running import Asker, only, played_by_a_server
from evals.world import World, prepare
from tests.app.conftest import forget
from tests.fixtures.estate import installed
from tests.fixtures.model_server import model_server
from tests.fixtures.parsed import hand_to_builds

pytestmark = [pytest.mark.e2e, pytest.mark.integration, pytest.mark.timeout(600)]
# Of each class of mutants; of the cases every so many is asked over HTTP.
MUTANTS, EVERY = 12, 4


@dataclass(frozen=True)
class Demo:
    """Its database, and what the command said."""

    database: Database
    said: str


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


@pytest.fixture(scope="module")
def demo(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    home = tmp_path_factory.mktemp("demo")
    with installed(module_database, home):
        hand_to_builds(module_database, home)
        try:
            yield Demo(module_database, astraeus("demo", "--no-serve"))
        finally:
            astraeus("stop")


@pytest.fixture(scope="module")
def world(demo: Demo) -> Iterator[World]:
    forget()
    yield prepare(demo.database)
    forget()


@pytest.fixture(scope="module")
def known(world: World) -> list[Known]:
    return world.known(world.cases())


def test_the_demo_shows_every_provider_tied_out(demo: Demo) -> None:
    assert "comparisons are exact or explained" in demo.said
    assert "Restated since the first load" in demo.said
    assert {row["state"] for row in states()} <= {
        "exact",
        "within rounding",
        "no control total",
        "not comparable yet",
    }
    assert states("--state", "blocked", "--rows") == []
    with demo.database.connect("operator") as conn:
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


def test_every_tool_says_what_sql_by_hand_says(world: World, known: list[Known]) -> None:
    assert list(checking.disagreements(world, known)) == []


def test_the_grader_passes_perfect_scripts_and_finds_mutants_out(
    world: World, known: list[Known]
) -> None:
    alarms = list(checking.false_alarms(world, known))
    assert alarms == []
    report = of_mutants(checking.judged(world, known, MUTANTS), len(alarms), len(known))
    assert report.show(), report.notes


def test_the_agent_plays_perfect_scripts_over_http(world: World, known: list[Known]) -> None:
    some = known[::EVERY]
    with model_server(played_by_a_server(world, some)) as server:
        settings = AssistantSettings(compatible_url=f"{server.url}/v1", pause_seconds=0)
        asker = Asker(world, settings, only(read_policy(), "compatible", "scripted"))
        for each in some:
            run = asker.ask(each.case.user, each.case.ask)
            foreign = world.foreign(each.case.user)
            assert grade(each, each.case.ask, run, foreign).faults == (), each.case.id
            assert len(run.requests) == (2 if each.truths else 1)
        # What the server was sent is what was heard.
        assert len(server.asked("")) == sum(2 if each.truths else 1 for each in some)
