"""A payload against its provider's own totals: only the days that do not tie are objected to."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Reject, RowCount
from astraeus_pipeline.warehouse import tie_out
from astraeus_pipeline.warehouse.survey import Survey
from astraeus_pipeline.warehouse.tie_out import Objections
from tests.fixtures.charges import batch, charge, fetched

FIRST = date(2026, 10, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(3)]
SPAN = DayRange(DAYS[0], DAYS[-1])
FAR = date(2025, 10, 2)


def total(days: DayRange | date, amount: str, currency: str = "USD", **more: Any) -> ControlTotal:
    span = days if isinstance(days, DayRange) else DayRange(days, days)
    return ControlTotal(span, currency, "billed_cost", Decimal(amount), "the provider", **more)


def compare(
    charges: list[dict[str, Any]], *controls: ControlTotal, rejects: tuple[Reject, ...] = ()
) -> Objections:
    survey = Survey(FOCUS_COSTS)
    survey.add(batch(charges, rejects))
    return tie_out.compare(fetched(SPAN, controls=controls), survey)


def objected(*arguments: Any, **more: Any) -> list[date]:
    found = compare(*arguments, **more)
    return [day for day in DAYS if found.against(day)]


CLEAN = [charge(day, "2.50") for day in DAYS]
DAILY = [total(day, "2.50") for day in DAYS]


def test_days_that_tie_are_not_objected_to() -> None:
    assert objected(CLEAN, *DAILY, total(SPAN, "7.5")) == []


def test_a_lost_row_speaks_against_its_day_alone() -> None:
    found = compare([CLEAN[0], CLEAN[2]], *DAILY)
    assert list(found.by_day) == [DAYS[1]]
    assert "residual -2.5" in found.by_day[DAYS[1]]


def test_the_smallest_residual_counts_unless_rounding_explains_it() -> None:
    almost = [charge(DAYS[0], "2.5000000000001"), *CLEAN[1:]]
    assert objected(almost, *DAILY) == [DAYS[0]]
    rounded = [total(day, "2.50", scale=10, terms=1) for day in DAYS]
    assert objected(almost, *rounded) == []


def test_a_row_in_a_day_that_the_provider_calls_free_speaks_against_both_days() -> None:
    shifted = [charge(DAYS[1], "2.50"), charge(DAYS[1], "2.50"), CLEAN[2]]
    assert objected(shifted, DAILY[0], DAILY[2]) == [DAYS[0], DAYS[1]]


def test_money_in_a_currency_without_a_total_speaks_against_the_day() -> None:
    mixed = [*CLEAN, charge(DAYS[2], "1", billing_currency="EUR")]
    assert objected(mixed, *DAILY) == [DAYS[2]]
    assert objected(mixed, *DAILY, total(DAYS[2], "1", "EUR")) == []


def test_a_total_of_many_days_is_explained_by_its_days_or_speaks_against_all() -> None:
    lost = [CLEAN[0], CLEAN[2]]
    assert objected(lost, *DAILY, total(SPAN, "7.5")) == [DAYS[1]]
    assert objected(lost, total(SPAN, "7.5")) == DAYS
    assert objected(CLEAN, *DAILY, total(SPAN, "8")) == DAYS


def test_rows_in_quarantine_explain_the_residual_of_their_day() -> None:
    reject = Reject(9, "bad", "no amount", DAYS[1])
    lost = [CLEAN[0], CLEAN[2]]
    assert objected(lost, *DAILY, total(SPAN, "7.5"), rejects=(reject,)) == []


def test_fewer_rows_than_announced_speak_against_everything() -> None:
    survey = Survey(FOCUS_COSTS)
    survey.add(batch(CLEAN))
    found = tie_out.compare(fetched(SPAN, expected_rows=4), survey)
    assert found.whole == "test announces 4 rows, the payload holds 3"


def counted(*rows: int) -> tuple[RowCount, ...]:
    return tuple(RowCount(day, count) for day, count in zip(DAYS, rows, strict=True))


def test_rows_counted_by_day_speak_against_their_day_alone() -> None:
    survey = Survey(FOCUS_COSTS)
    survey.add(batch([*CLEAN, charge(DAYS[1], "0")]))
    found = tie_out.compare(fetched(SPAN, expected_rows=3, row_counts=counted(1, 1, 1)), survey)
    assert (found.whole, list(found.by_day)) == (None, [DAYS[1]])
    assert found.by_day[DAYS[1]] == f"test announces 1 rows for {DAYS[1]}, the payload holds 2"
    lost = tie_out.compare(fetched(SPAN, row_counts=(*counted(1, 2, 1), RowCount(FAR, 1))), survey)
    assert list(lost.by_day) == [FAR]


def test_of_a_file_with_daily_totals_a_day_far_off_is_told_too() -> None:
    survey = Survey(FOCUS_COSTS)
    survey.add(batch([*CLEAN, charge(FAR, "1", billing_period=FIRST)]))
    file = fetched(SPAN, controls=tuple(DAILY), billing_period=FIRST)
    assert list(tie_out.compare(file, survey).by_day) == [FAR]


def test_of_a_file_the_days_that_are_not_settled_yet_stay_open() -> None:
    survey = Survey(FOCUS_COSTS)
    survey.add(batch([*CLEAN, charge(DAYS[-1], "9")]))
    asked = tuple(control for control in DAILY if control.days.last < DAYS[-1])
    assert len(asked) < len(DAILY)
    file = fetched(SPAN, controls=asked, billing_period=FIRST)
    assert tie_out.compare(file, survey).by_day == {}
