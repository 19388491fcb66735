"""Days, months and windows."""

from __future__ import annotations

from datetime import date

import pytest

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange, next_month
from astraeus_pipeline.contracts.windows import open_months


def test_a_range_knows_its_days_and_months() -> None:
    days = DayRange(date(2026, 1, 30), date(2026, 3, 1))
    assert len(days) == len(list(days)) == 31
    assert list(days.months()) == [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]
    assert days.end == date(2026, 3, 2)
    with pytest.raises(ValueError, match="cannot end"):
        DayRange(date(2026, 1, 2), date(2026, 1, 1))


@pytest.mark.parametrize(
    ("month", "following"),
    [((2026, 12, 31), (2027, 1, 1)), ((2024, 1, 31), (2024, 2, 1)), ((2026, 2, 1), (2026, 3, 1))],
)
def test_the_next_month(month: tuple[int, int, int], following: tuple[int, int, int]) -> None:
    assert next_month(date(*month)) == date(*following)


@pytest.mark.parametrize(
    ("today", "first"),
    [
        ("2026-11-01", "2026-10-01"),
        ("2026-11-15", "2026-10-01"),
        ("2026-11-17", "2026-11-01"),
        ("2026-11-23", "2026-10-01"),  # a Monday
        ("2026-01-03", "2025-12-01"),
    ],
)
def test_the_month_before_is_read_until_it_closes_and_then_on_mondays(
    today: str, first: str
) -> None:
    window = open_months(date.fromisoformat(today), closes_on=15)
    assert window == DayRange(date.fromisoformat(first), date.fromisoformat(today))


def test_money_is_added_without_rounding() -> None:
    tiny, large = (
        money.parse("0.000000000000000000000000000001"),
        money.parse("98765432109876543210"),
    )
    assert money.plain(money.add(tiny, large)) == (
        "98765432109876543210.000000000000000000000000000001"
    )
    assert [money.plain(money.parse(text)) for text in ("1.500", "-0.0", "1E+3", "7E-06")] == [
        "1.5",
        "0",
        "1000",
        "0.000007",
    ]
