"""The chaos suite's invariants see what they are there for: each is broken once, on purpose."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import pytest

from benchmarks.chaos import invariants, table
from benchmarks.chaos.bills import Charged, Slice, versions
from benchmarks.chaos.fault import Fault, Struck
from benchmarks.chaos.invariants import Look, Standing
from benchmarks.kill import State

if TYPE_CHECKING:
    from benchmarks.chaos.installation import Site

FIRST, SECOND = date(2026, 9, 1), date(2026, 9, 2)
COST = Decimal("1.25")
STANDING: dict[Slice, Standing] = {
    ("east", FIRST): Standing(2, 2 * COST, 17),
    ("east", SECOND): Standing(1, COST, 23),
}
BILLED: dict[Slice, Charged] = {
    key: Charged(each.rows, each.billed, each.billed) for key, each in STANDING.items()
}
STATE = State([("east", 3, 40)], [("east", FIRST, FIRST, "a", 2, {}, "loaded")])
WELL = Look(200, '{"state":"ready"}', 200, "", ())
AWAY = Look(
    503, '{"why":"The database did not answer."}', 503, "The database did not answer.", None
)


def lost(standing: Any = STANDING, billed: Any = BILLED, found: State = STATE) -> list[str]:
    return invariants.lost_or_doubled(standing, billed, found, STATE)


def test_nothing_is_wrong_where_nothing_is() -> None:
    assert lost() == []
    assert invariants.halves(STANDING, [STANDING]) == []
    marts = {key: each.billed for key, each in STANDING.items()}
    assert invariants.untied(marts, BILLED, [], 0) == []
    assert invariants.misdelivered({"mail": Counter(["a", "b"])}, ["a", "b"], 0, 0) == []
    assert invariants.unsaid([AWAY], WELL, is_away=True) == []


@pytest.mark.parametrize(
    ("planted", "says"),
    [
        ({("east", FIRST): Standing(1, COST, 17)}, "1 charges of 1.25 stand, 2 of 2.50"),
        ({("east", FIRST): Standing(4, 4 * COST, 17)}, "4 charges of 5.00 stand"),
        ({("west", FIRST): Standing(1, COST, 5)}, "west 2026-09-01: 1 charges"),
        ({("east", SECOND): Standing(1, COST + Decimal("1e-12"), 23)}, "1.250000000001"),
    ],
)
def test_a_charge_that_is_lost_doubled_or_altered_is_found(planted: Any, says: str) -> None:
    [found] = lost(STANDING | planted)
    assert says in found


def test_a_lost_day_is_found() -> None:
    [found] = lost({("east", FIRST): STANDING["east", FIRST]})
    assert found.startswith("east 2026-09-02: 0 charges")


def test_contents_that_sum_to_the_same_but_differ_are_found() -> None:
    assert lost(found=replace(STATE, contents=[("east", 3, 41)])) == [
        "2 accounts have other rows than an undisturbed installation"
    ]
    assert len(lost(found=replace(STATE, partitions=[]))) == 1


def test_a_half_day_is_found_and_a_day_of_either_version_is_not() -> None:
    other = {key: replace(each, contents=each.contents + 1) for key, each in STANDING.items()}
    assert invariants.halves(other, [STANDING, other]) == []
    half = STANDING | {("east", FIRST): Standing(1, COST, 17)}
    assert len(invariants.halves(half, [STANDING, other])) == 1


def test_marts_that_differ_from_the_bill_are_found_unless_the_day_is_held_back() -> None:
    held: Slice = ("east", FIRST)
    marts = {("east", SECOND): COST}
    assert invariants.untied(marts, BILLED, [held], 0) == []
    assert len(invariants.untied(marts, BILLED, [], 0)) == 1
    wrong = {held: 3 * COST, ("east", SECOND): COST}
    assert len(invariants.untied(wrong, BILLED, [held], 0)) == 1  # said to be held, but shown
    assert len(invariants.untied(wrong | {("west", FIRST): COST}, BILLED, [], 1)) == 3


@pytest.mark.parametrize(
    ("told", "copies", "allowed", "says"),
    [
        ({"a": 1}, 0, 0, "1 of 2 alerts were not told"),
        ({"a": 1, "b": 2}, 0, 0, "under two ids"),
        ({"a": 1, "b": 1, "c": 1}, 0, 0, "nothing gave cause"),
        ({"a": 1, "b": 1}, 1, 0, "1 messages arrived again, 0 senders"),
    ],
)
def test_an_alert_that_is_lost_doubled_or_invented_is_found(
    told: dict[str, int], copies: int, allowed: int, says: str
) -> None:
    [found] = invariants.misdelivered({"mail": Counter(told)}, ["a", "b"], copies, allowed)
    assert says in found


def test_copies_of_killed_senders_are_known_to_happen() -> None:
    assert invariants.misdelivered({"mail": Counter(["a"])}, ["a"], 1, 1) == []


@pytest.mark.parametrize(
    ("during", "after", "says"),
    [
        (WELL, WELL, "database away, and ready is 200"),
        (replace(AWAY, page=500), WELL, "a page answered 500"),
        (replace(AWAY, page_says="Traceback (most recent call last)"), WELL, "'Traceback'"),
        (replace(AWAY, ready_says="psycopg.OperationalError"), WELL, "'psycopg'"),
        (replace(AWAY, drawn=("KeyError: 'x'",)), WELL, "a person sees"),
        (replace(AWAY, page_says=" "), WELL, "says nothing"),
        (AWAY, AWAY, "afterwards: ready 503"),
        (AWAY, replace(WELL, drawn=("Costs cannot be shown",)), "afterwards"),
        (AWAY, replace(WELL, drawn=None), "afterwards"),
    ],
)
def test_pages_that_say_nothing_too_much_or_do_not_recover_are_found(
    during: Look, after: Look, says: str
) -> None:
    assert says in " ".join(invariants.unsaid([during], after, is_away=True))


def test_bills_are_summed_from_the_files_by_day() -> None:
    first, second = versions(1, 3)
    assert {day for _, day in first.charged} == set(first.estate.days)
    assert {each.rows for each in first.charged.values()} == {3}
    assert {each.rows for each in second.charged.values()} == {4}
    assert all(first.charged[key].billed != second.charged[key].billed for key in first.charged)


def test_rounds_have_all_kills_and_none_too_many() -> None:
    fault = Fault("any", lambda site, kills: Struck(kills), kills=50, at_once=20)
    assert fault.rounds(50) == [17, 17, 16]
    assert fault.rounds(0) == [0]
    assert fault.rounds(3) == [3]


@pytest.mark.parametrize(
    ("struck", "says"),
    [
        (Struck(), "it struck nothing"),
        (Struck(kills=2, missed=["two daemons built nothing"]), "two daemons built nothing"),
    ],
)
def test_a_fault_that_struck_nothing_is_no_line_that_held(struck: Struck, says: str) -> None:
    line = struck_by(struck)
    assert says in line.cells()[3] + " ".join(table.notes([line]))
    assert "missed" in line.cells()[3]
    assert [each.claim for each in table.goals([line], 0) if not each.is_met] == [
        "blows that met nothing"
    ]


def test_a_fault_that_met_its_work_is_a_line_that_held() -> None:
    met = Struck()
    met.hit(3, "no load was under way")
    for struck in (met, Struck(kills=1)):
        assert struck_by(struck).cells()[3] == "1 of 1"
        assert all(each.is_met for each in table.goals([struck_by(struck)], 0))


def struck_by(struck: Struck) -> table.Line:
    fault = Fault("any", lambda site, kills: struck, judged=(invariants.WHOLE,))
    return table.strike(cast("Site", None), fault, 0)
