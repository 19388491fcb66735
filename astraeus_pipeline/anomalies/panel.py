"""Daily cost of several series side by side, as the detector reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# A score of a day reads this many days before it, and no more: 26 weeks of history, and before the
# first of them what tells a catch-up booking from a quiet day.
HISTORY: Final = 182
CATCH_UP_PAST: Final = 28
LONGEST_CATCH_UP: Final = 9
LOOKBACK: Final = HISTORY + CATCH_UP_PAST + LONGEST_CATCH_UP + 1


@dataclass(frozen=True)
class Panel:
    """Usage cost of S series on T consecutive UTC days, each in its own currency.

    `costs` is [S, T]: 0 on a day without usage, NaN before the first day of the series and on a
    day that its account was not delivered. `groups` [S] names the delivery that a series comes
    with: what is missing in all series of a group is a gap, not a saving. `first_days` [S] and
    `group_first_days` [S] may lie before the panel. `floors` [S]: the least excess worth a word.
    """

    days: Sequence[date]
    costs: Floats
    groups: NDArray[np.int64]
    first_days: Sequence[date]
    group_first_days: Sequence[date]
    floors: Floats

    @property
    def gaps(self) -> Flags:
        """Days [S, T] on which no series of the group has a cost."""
        known = ~np.isnan(self.costs)
        gaps = np.empty(known.shape, dtype=np.bool_)
        for group in np.unique(self.groups):
            members = self.groups == group
            gaps[members] = ~known[members].any(axis=0)
        return gaps


def catch_up_lengths(panel: Panel, gaps: Flags) -> NDArray[np.int64]:
    """Days [S, T] of a gap that the first day after it makes up for; 0 on all other days.

    Some providers book what they missed on the first day back, for all services at once. One
    service alone does not tell that from a spike; the median service of the account does.
    """
    lengths = np.zeros(panel.costs.shape, dtype=np.int64)
    for group in np.unique(panel.groups):
        members = np.flatnonzero(panel.groups == group)
        missing = gaps[members[0]]
        for back in map(int, np.flatnonzero(~missing[1:] & missing[:-1]) + 1):
            length = _run_before(missing, back)
            past = panel.costs[members, max(0, back - length - CATCH_UP_PAST) : back - length]
            if not past.shape[1] or length > LONGEST_CATCH_UP:
                continue
            usual = quantile(past)
            ratios = (panel.costs[members, back] / np.where(usual > 0, usual, np.nan) - 1) / length
            if (ratios := ratios[~np.isnan(ratios)]).size and np.median(ratios) > 0.4:
                lengths[members, back] = length
    return lengths


def _run_before(missing: Flags, back: int) -> int:
    start = back
    while start > 0 and missing[start - 1]:
        start -= 1
    return back - start


def quantile(values: Floats, share: float = 0.5) -> Floats:
    """Return the quantile along the last axis, NaN left out; NaN where there is nothing else.

    Like numpy's nanquantile with the nearest two averaged, at a fraction of its time.
    """
    ordered = np.sort(values, axis=-1)  # NaN last
    place = (~np.isnan(ordered)).sum(axis=-1, keepdims=True) - 1
    low = np.floor(np.maximum(place, 0) * share).astype(np.int64)
    high = np.ceil(np.maximum(place, 0) * share).astype(np.int64)
    both = np.take_along_axis(ordered, low, -1) + np.take_along_axis(ordered, high, -1)
    middle: Floats = both[..., 0] / 2
    return middle
