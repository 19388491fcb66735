"""What weekday and month position make of a usual day's usage.

Unlike the detector, which must not learn an anomaly, a forecast wants the money that a month will
hold: fees are money on a day of the month, whatever the level does, and close jobs are a share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from astraeus_pipeline.anomalies.expectation import days_left, weekly
from astraeus_pipeline.anomalies.panel import HISTORY, Floats, quantile

_MONTH_END: Final = 4  # days before a month's end on which close jobs run
_LEAST_FEE: Final = 0.3  # of a usual day's cost
_SLOPE_WEEKS: Final = 8  # between the weeks that a slope is taken from


@dataclass(frozen=True)
class Seasons:
    """For S series on the day `last`, the last one of history.

    `weekdays` [S, 7] are factors, the first of the day after `last`; `fees` [S, 32] money by day
    of the month; `lifts` [S, 4] shares above the usual by days left in the month; `usual` [S] a
    recent day's cost; `noise` [S] relative; `slope` [S] the logarithm's growth per day.
    """

    last: date
    weekdays: Floats
    fees: Floats
    lifts: Floats
    usual: Floats
    noise: Floats
    slope: Floats

    def on(self, days: Sequence[date]) -> tuple[Floats, Floats]:
        """Return factors of the level and fees beside it [S, days], before `last` or after."""
        factors = np.empty((len(self.usual), len(days)))
        fees = np.empty_like(factors)
        for at, day in enumerate(days):
            factor, fee = self.weekdays[:, ((day - self.last).days - 1) % 7], self.fees[:, day.day]
            if (left := days_left(day)) < _MONTH_END:
                # A close job on the 31st also looks like a fee: the larger of the two, not both.
                lift = factor * self.lifts[:, left]
                is_lift = lift * self.usual >= fee
                factor = np.where(is_lift, factor + lift, factor)
                fee = np.where(is_lift, 0.0, fee)
            factors[:, at], fees[:, at] = factor, fee
        return factors, fees


def seasons(history: Floats, last: date) -> Seasons:
    """Learn them from `history` [S, HISTORY], whose last day is `last`; NaN where unknown."""
    weeks = weekly(history)
    usual = np.exp(weeks.levels).repeat(7, axis=1)
    plain = usual * np.tile(np.exp(weeks.weekdays), (1, HISTORY // 7))
    past = [last - timedelta(days=HISTORY - 1 - each) for each in range(HISTORY)]
    recent = np.nan_to_num(quantile(usual[:, -28:]))
    least = np.maximum(1.5 * weeks.noise, _LEAST_FEE) * recent

    fees = np.zeros((len(history), 32))
    for number in range(1, 32):
        fee = _habit((history - plain)[:, [at for at, day in enumerate(past) if day.day == number]])
        fees[:, number] = np.where(fee > least, fee, 0.0)
    lifts = np.zeros((len(history), _MONTH_END))
    for left in range(_MONTH_END):
        ends = [at for at, day in enumerate(past) if days_left(day) == left]
        lift = _habit((history / plain - 1)[:, ends])
        lifts[:, left] = np.where(lift > weeks.noise, lift, 0.0)
    return Seasons(
        last=last,
        weekdays=np.exp(weeks.weekdays),
        fees=fees,
        lifts=lifts,
        usual=recent,
        noise=weeks.noise,
        slope=_slope(weeks.levels),
    )


def _habit(effects: Floats) -> Floats:
    """Take the median of the last three effects, of two the lower: once is no habit."""
    last = np.sort(effects[:, -3:], axis=1)  # NaN last
    count = (~np.isnan(last)).sum(axis=1)
    middle = np.where(count >= 3, 1, 0)[:, None]
    chosen = np.take_along_axis(last, np.minimum(middle, last.shape[1] - 1), axis=1)[:, 0]
    return np.where(count >= 2, np.maximum(np.nan_to_num(chosen), 0.0), 0.0)


def _slope(levels: Floats) -> Floats:
    """Return the median growth per day between weeks far enough apart (Theil and Sen)."""
    first, second = np.triu_indices(levels.shape[1], k=_SLOPE_WEEKS)
    return np.nan_to_num(quantile((levels[:, second] - levels[:, first]) / (second - first) / 7))
