"""What can only be asked as of now."""

from __future__ import annotations

from datetime import date

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import NotObtainable


def refuse_past_days(slug: str, what: str, days: DayRange, today: date) -> None:
    """Refuse a range that does not end today.

    Raises: NotObtainable.
    """
    if days.last != today:
        raise NotObtainable(
            f"AWS account {slug}: {what} of {days} cannot be had, AWS only tells what stands now.",
            hint=f"Ask for {today}; the daily schedule takes one each day.",
        )
