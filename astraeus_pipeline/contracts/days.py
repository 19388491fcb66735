"""Ranges of UTC days and billing months."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, order=True)
class DayRange:
    """UTC days from `first` to `last`, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(
                f"a day range cannot end ({self.last}) before it starts ({self.first})"
            )

    @classmethod
    def of_month(cls, month: date) -> DayRange:
        """Return all days of the month that `month` lies in."""
        first = month.replace(day=1)
        return cls(first, next_month(first) - timedelta(days=1))

    @property
    def end(self) -> date:
        """The day after the last: the exclusive end that billing APIs ask for."""
        return self.last + timedelta(days=1)

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=offset) for offset in range(len(self)))

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}..{self.last}"

    def months(self) -> Iterator[date]:
        """Yield the first day of each month that the range touches."""
        month = self.first.replace(day=1)
        while month <= self.last:
            yield month
            month = next_month(month)


def next_month(month: date) -> date:
    """Return the first day of the month after the one that `month` lies in."""
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)
