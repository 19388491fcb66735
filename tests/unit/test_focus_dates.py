"""Times in all the spellings that FOCUS files were seen with."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.exports import dates
from astraeus_pipeline.providers.focus import FOCUS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-05T00:00:00Z", datetime(2026, 10, 5, tzinfo=UTC)),
        ("2026-10-05T00:00:00.0000000Z", datetime(2026, 10, 5, tzinfo=UTC)),
        ("2026-10-05 22:00:00", datetime(2026, 10, 5, 22, tzinfo=UTC)),
        ("2026-10-05 22:00:00 UTC", datetime(2026, 10, 5, 22, tzinfo=UTC)),
        ("2026-10-05T22:30", datetime(2026, 10, 5, 22, 30, tzinfo=UTC)),
        ("2026-10-05", datetime(2026, 10, 5, tzinfo=UTC)),
        ("2026/10/05", datetime(2026, 10, 5, tzinfo=UTC)),
        ("2026-10-05T00:30:00+02:00", datetime(2026, 10, 4, 22, 30, tzinfo=UTC)),
        ("2026-10-05T00:30:00-0500", datetime(2026, 10, 5, 5, 30, tzinfo=UTC)),
        ("2026-02-30", None),
        ("1790000000", None),
        ("20261005", None),
        ("2026-W41", None),
        ("soon", None),
        ("05.10.2026", None),
    ],
)
def test_parse_iso(text: str, expected: datetime | None) -> None:
    assert dates.parse(text, None) == expected


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("10/05/2026", "month_first", datetime(2026, 10, 5, tzinfo=UTC)),
        ("10/05/2026", "day_first", datetime(2026, 5, 10, tzinfo=UTC)),
        ("1/2/2026 7:05", "day_first", datetime(2026, 2, 1, 7, 5, tzinfo=UTC)),
        ("10/05/2026 12:00:00 AM", "month_first", datetime(2026, 10, 5, tzinfo=UTC)),
        ("10/05/2026 12:00:00 PM", "month_first", datetime(2026, 10, 5, 12, tzinfo=UTC)),
        ("13/05/2026", "month_first", None),
        ("10/05/2026 13:00 PM", "month_first", None),
    ],
)
def test_parse_slashed(text: str, order: dates.DateOrder, expected: datetime | None) -> None:
    assert dates.parse(text, order) == expected


def test_parse_without_order_asks() -> None:
    with pytest.raises(dates.AmbiguousOrder):
        dates.parse("10/05/2026", None)


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["10/05/2026", "10/13/2026"], "month_first"),
        (["10/05/2026", "13/10/2026 00:00"], "day_first"),
        (["10/05/2026", "2026-10-13"], None),
        (["13/05/2026", "05/13/2026"], None),
        ([], None),
    ],
)
def test_infer_order(texts: list[str], order: dates.DateOrder | None) -> None:
    assert dates.infer_order(texts) == order


@pytest.mark.parametrize(
    ("today", "first"),
    [
        (date(2026, 11, 1), date(2026, 10, 1)),
        (date(2026, 11, 15), date(2026, 10, 1)),
        (date(2026, 11, 16), date(2026, 10, 1)),  # a Monday
        (date(2026, 11, 17), date(2026, 11, 1)),
        (date(2026, 1, 3), date(2025, 12, 1)),
    ],
)
def test_restatement_window(today: date, first: date) -> None:
    assert FOCUS.restatement_window(today) == DayRange(first, today)
