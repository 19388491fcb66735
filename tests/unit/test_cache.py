"""Answers that the app keeps: to whom, for which build, and never the same rows to two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import sleep
from typing import Any

import pytest

from app.auth.principal import Principal
from app.components import cache
from app.queries import execute, listings
from app.queries.compiler import Statement
from astraeus_pipeline.contracts.people import Grant

QUESTION = Statement("select 1 as n", ())
VIEWER = Principal("v@example.org", "V", "viewer", (Grant("account", "alpha"),), "session of v")
ADMIN = Principal("a@example.org", "A", "admin", (), "session of a")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """Note what reaches the database (SQL, session), which answers with how much did."""
    noted: list[tuple[str, str]] = []

    def run(statement: Statement, session: str = "") -> list[dict[str, Any]]:
        sleep(0.02)
        noted.append((statement.sql, session))
        return [{"invocation_id": f"build {len(noted)}", "n": len(noted)}]

    monkeypatch.setattr(execute, "run", run)
    cache.forget_all()
    yield noted
    cache.forget_all()


def _answers(asked: list[tuple[str, str]]) -> list[str]:
    return [session for sql, session in asked if sql == QUESTION.sql]


def test_of_those_who_ask_at_once_one_asks(asked: list[tuple[str, str]]) -> None:
    together = Barrier(8)

    def one(_: int) -> list[dict[str, Any]]:
        together.wait()
        return cache.ask_for(ADMIN, QUESTION)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(8)))
    assert all(each == answers[0] for each in answers)
    assert _answers(asked) == [ADMIN.session]


def test_who_may_see_less_is_not_given_the_answer_of_who_may_see_more(
    asked: list[tuple[str, str]],
) -> None:
    whole, part = cache.ask_for(ADMIN, QUESTION), cache.ask_for(VIEWER, QUESTION)
    assert whole != part
    assert _answers(asked) == [ADMIN.session, VIEWER.session]


def test_each_gets_rows_of_their_own(asked: list[tuple[str, str]]) -> None:
    cache.ask_for(ADMIN, QUESTION)[0]["n"] = "written over"
    assert cache.ask_for(ADMIN, QUESTION)[0]["n"] != "written over"
    assert len(_answers(asked)) == 1


@pytest.mark.parametrize(
    ("forget", "times"), [(cache.forget_all, 2), (cache.forget, 1)], ids=["build", "moment"]
)
def test_a_new_build_is_asked_anew_and_what_people_change_does_not_make_one(
    asked: list[tuple[str, str]], forget: Callable[[], None], times: int
) -> None:
    cache.ask_for(ADMIN, QUESTION)
    forget()
    cache.ask_for(ADMIN, QUESTION)
    assert len(_answers(asked)) == times


def test_a_failure_is_not_kept(
    asked: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    working = execute.run

    def failing(statement: Statement, session: str = "") -> list[dict[str, Any]]:
        if statement == listings.VERSION:
            return working(statement, session)
        raise ZeroDivisionError

    monkeypatch.setattr(execute, "run", failing)
    with pytest.raises(ZeroDivisionError):
        cache.ask_for(ADMIN, QUESTION)
    monkeypatch.setattr(execute, "run", working)
    assert cache.ask_for(ADMIN, QUESTION)
