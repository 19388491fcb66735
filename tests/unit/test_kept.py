"""Answers that are kept: once asked, copied to each, for their time and no longer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier
from time import sleep
from typing import Any

import pytest

from app.components.kept import Kept


def test_of_those_who_ask_at_once_one_asks() -> None:
    kept, numbers, together = Kept(60, most=10), count(1), Barrier(8)

    def ask() -> list[dict[str, Any]]:
        sleep(0.05)
        return [{"n": next(numbers)}]

    def one() -> list[dict[str, Any]]:
        together.wait()
        return kept.get("key", ask)

    with ThreadPoolExecutor(8) as pool:
        answers = [each.result() for each in [pool.submit(one) for _ in range(8)]]
    assert answers == [[{"n": 1}]] * 8


def test_each_gets_rows_of_their_own() -> None:
    kept = Kept(60, most=10)
    kept.get("key", lambda: [{"n": 1}])[0]["n"] = 2
    assert kept.get("key", list) == [{"n": 1}]


def test_time_and_number_are_bounded_and_nothing_is_an_answer() -> None:
    kept, numbers = Kept(60, most=2), count()

    def asked(key: str) -> bool:
        before = next(numbers)
        kept.get(key, lambda: [{"n": next(numbers)}])
        return next(numbers) > before + 1

    assert [asked(key) for key in ("a", "b", "a", "c", "a")] == [True, True, False, True, True]
    brief = Kept(0.01, most=2)
    brief.get("a", lambda: [{"n": 1}])
    sleep(0.02)
    assert brief.get("a", lambda: [{"n": 2}]) == [{"n": 2}]
    kept.get("", list)
    assert kept.get("", lambda: pytest.fail("it has been answered")) == []


def test_a_failure_is_not_kept() -> None:
    kept = Kept(60, most=2)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", lambda: [{"n": 1 // 0}])
    assert kept.get("a", lambda: [{"n": 1}]) == [{"n": 1}]
