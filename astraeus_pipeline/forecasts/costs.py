"""Daily cost of an account's series, as the forecaster reads it, and the months around a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from astraeus_pipeline.anomalies.expectation import days_left
from astraeus_pipeline.anomalies.panel import HISTORY, Flags, Floats, Panel, catch_up_lengths

MONTHS: Final = 4  # the running month and the next three
CUTOFFS: Final = 12  # months back in which we ask what we would have said
# A forecast reads this many days before the day that it is made on, and no more.
LOOKBACK: Final = (CUTOFFS + 1) * 31 + HISTORY

_NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Costs:
    """Cost of S series on T consecutive UTC days; the last one is the last settled day.

    `usage` is [S, T], as in a Panel. `recurring` [S, T] is what was charged beside it, taxes and
    fees, 0 where nothing was. `habit` [S, T] is usage without the days on which others were booked
    too. `delivered` [T] says which days came, `made_up` [T] on which day's place what had not come
    was booked; a large number where it was not.
    """

    days: Sequence[date]
    usage: Floats
    recurring: Floats
    habit: Floats
    delivered: Flags
    made_up: NDArray[np.int64]

    @classmethod
    def of(cls, panel: Panel, recurring: Floats) -> Costs:
        """Look at one account's panel; `recurring` [S, T]."""
        gaps = panel.gaps
        delivered: Flags = np.logical_not(gaps.all(axis=0))
        lengths = catch_up_lengths(panel, gaps)
        made_up = np.full(len(panel.days), _NEVER)
        for back in np.flatnonzero(lengths.max(axis=0, initial=0)):
            made_up[back - lengths[:, back].max() : back] = back
        return cls(
            days=panel.days,
            usage=panel.costs,
            recurring=recurring,
            habit=np.where(lengths > 0, np.nan, panel.costs),
            delivered=delivered,
            made_up=made_up,
        )

    def place(self, day: date) -> int:
        """Return where a day stands."""
        return (day - self.days[0]).days

    def known(self, as_of: int) -> Flags:
        """Return the days [T] whose cost is known on the day at place `as_of`."""
        places = np.arange(len(self.days))
        known: Flags = (places <= as_of) & (self.delivered | (self.made_up <= as_of))
        return known

    def booked(self, first: int, last: int) -> Floats:
        """Return all cost [S] from one place to another, both included."""
        span = slice(max(0, first), last + 1)
        booked: Floats = np.nansum(self.usage[:, span], axis=1)
        booked += self.recurring[:, span].sum(axis=1)
        return booked

    def history(self, as_of: int, values: Floats) -> Floats:
        """Return the `values` [S, HISTORY] up to and including a place, NaN before the first."""
        lead = max(0, HISTORY - 1 - as_of)
        past = values[:, max(0, as_of + 1 - HISTORY) : as_of + 1]
        return np.concatenate([np.full((len(values), lead), np.nan), past], axis=1)


@dataclass(frozen=True)
class Month:
    """A calendar month."""

    first: date

    @property
    def last(self) -> date:
        """Its last day."""
        return self.first + timedelta(days=days_left(self.first))

    def days_from(self, day: date) -> list[date]:
        """Return its days from `day` on."""
        begin = max(day, self.first)
        return [begin + timedelta(days=each) for each in range((self.last - begin).days + 1)]

    def later(self, months: int) -> Month:
        """Return the month so many months later; earlier if negative."""
        count = self.first.year * 12 + self.first.month - 1 + months
        return Month(date(count // 12, count % 12 + 1, 1))


def months_ahead(as_of: date) -> list[Month]:
    """Return the months to forecast: the first that has days left after `as_of`, and three more."""
    following = as_of + timedelta(days=1)
    return [Month(following.replace(day=1)).later(each) for each in range(MONTHS)]


def cutoffs(as_of: date) -> list[date]:
    """Return the days of earlier months with as many days left as `as_of`, the earliest first."""
    this, left = Month(as_of.replace(day=1)), days_left(as_of)
    earlier = [this.later(-back) for back in range(CUTOFFS, 0, -1)]
    return [max(month.first, month.last - timedelta(days=left)) for month in earlier]
