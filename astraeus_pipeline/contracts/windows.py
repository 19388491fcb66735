"""Which days a provider may still change."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from astraeus_pipeline.contracts.days import DayRange

_MONDAY: Final = 0


def open_months(today: date, closes_on: int) -> DayRange:
    """Return the days to read again on `today`.

    The month under way daily; the month before daily until day `closes_on`, when its bill is
    expected to be closed, and on Mondays after that, for refunds and late corrections.
    """
    first = today.replace(day=1)
    if today.day <= closes_on or today.weekday() == _MONDAY:
        first = (first - timedelta(days=1)).replace(day=1)
    return DayRange(first, today)
