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
from evals import checking, pages
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
MUTANTS, EVERY = 12, 5


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
    with pages.served() as more, pytest.MonkeyPatch.context() as patch:
        for name, value in more.items():
            patch.setenv(name, value)
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
    # Of what takes more than a question and a tool, each kind.
    some = list({each.case.id: each for each in (*known[::EVERY], *_kinds(known))}.values())
    with model_server(played_by_a_server(world, some)) as server:
        settings = AssistantSettings(compatible_url=f"{server.url}/v1", pause_seconds=0)
        asker = Asker(world, settings, only(read_policy(), "compatible", "scripted"))
        for each in some:
            *before, _ = (one.case.ask for one in each.thread)
            run = asker.ask(each.case.user, each.case.ask, before)
            foreign = world.foreign(each.case.user)
            assert grade(each, each.case.ask, run, foreign).faults == (), each.case.id
            # A search of the web waits for a person where figures are in the thread.
            is_waiting = each.case.expect == "search" and bool(before)
            assert run.status == ("awaiting_approval" if is_waiting else "complete")
            assert len(run.requests) == _requests(each) - is_waiting
        # What the server was sent is what was heard.
        sent = sum(_requests(one) for each in some for one in each.thread)
        assert len(server.asked("")) == sent - 1


def _kinds(known: list[Known]) -> list[Known]:
    """Return a case of a file, one of SQL, all of the web, and the longest thread."""
    first = {
        tag: next(each for each in known if tag in each.case.tags) for tag in ("attached", "sql")
    }
    return [
        *first.values(),
        *(each for each in known if each.case.expect == "search"),
        max(known, key=lambda each: len(each.thread)),
    ]


def _requests(known: Known) -> int:
    return 2 if known.truths or known.case.expect == "search" else 1
