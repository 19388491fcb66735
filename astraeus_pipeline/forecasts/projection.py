"""Usage of coming days: the level of late and the level of old, mixed the more the further away.

A level that has just changed often changes back, so what lies far ahead leans on four months; what
lies near goes on as it is. Growth goes on too, less and less.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np

from astraeus_pipeline.anomalies.expectation import mean_of
from astraeus_pipeline.anomalies.panel import HISTORY, Floats, quantile
from astraeus_pipeline.forecasts.seasons import seasons

YOUNG: Final = 14  # known days below which nothing is said
_LATE: Final = 10
_OLD: Final = 126
_OLD_KNOWN: Final = 0.6  # of its days, or there is no old level
_MOST_OLD: Final = 0.6  # share of the old level, far away
_FADE_DAYS: Final = 30.0  # in which the late level gives way
_GROWTH: Final = 0.8  # of the slope: what is seen is partly chance
_MOST_GROWTH: Final = 0.03 / 30  # per day
_GROWTH_DAYS: Final = 180.0  # in which growth fades
_HELD: Final = 2.5  # deviations, beyond which a day counts no more


def project(history: Floats, last: date, days: Sequence[date]) -> Floats:
    """Return the cost [S, days] to expect; NaN for series that are too young.

    Shape: `history` [S, HISTORY] up to and including `last`, NaN where unknown.
    """
    shape = seasons(history, last)
    past = [date.fromordinal(last.toordinal() - HISTORY + 1 + at) for at in range(HISTORY)]
    factors, fees = shape.on(past)
    own = history - fees
    late = _level(own, factors, shape.noise, _LATE)
    # A series that paused has no late level: it starts from the last whole month.
    late = np.where(np.isnan(late), _level(own, factors, shape.noise, 28), late)
    old = _level(own, factors, shape.noise, _OLD)
    is_old = (~np.isnan(own[:, -_OLD:])).sum(axis=1) >= _OLD_KNOWN * _OLD
    old = np.where(is_old & (old > 0), old, late)

    growth = np.clip(_GROWTH * shape.slope, -_MOST_GROWTH, _MOST_GROWTH)[:, None]
    ahead = np.maximum(np.array([(day - last).days for day in days]), 0)[None, :]
    share = _MOST_OLD * (1 - np.exp(-ahead / _FADE_DAYS))
    with np.errstate(divide="ignore", invalid="ignore"):
        level = (1 - share) * (np.log(late)[:, None] + growth * (_LATE - 1) / 2)
        level += share * (np.log(old)[:, None] + growth * (_OLD - 1) / 2)
    level += growth * _GROWTH_DAYS * (1 - np.exp(-ahead / _GROWTH_DAYS))
    coming, coming_fees = shape.on(days)
    # Without usage of late nothing is left but the fees.
    usage = np.where((late > 0)[:, None], np.exp(level) * coming, 0.0)
    return _of_age(history, np.maximum(usage + coming_fees, 0.0))


def run_rate(history: Floats, last: date, days: Sequence[date]) -> Floats:
    """Go on at the mean of the last 30 days."""
    del last
    return _of_age(history, np.repeat(mean_of(history[:, -30:])[:, None], len(days), axis=1))


def last_week(history: Floats, last: date, days: Sequence[date]) -> Floats:
    """Repeat the last week; where a day of it is unknown, the one before it."""
    week = history[:, -7:].copy()
    for back in range(2, HISTORY // 7 + 1):
        earlier = history[:, HISTORY - 7 * back : HISTORY - 7 * (back - 1)]
        week = np.where(np.isnan(week), earlier, week)
    return _of_age(history, week[:, [((day - last).days - 1) % 7 for day in days]])


def _of_age(history: Floats, forecast: Floats) -> Floats:
    known = (~np.isnan(history)).sum(axis=1, keepdims=True)
    return np.where(known >= YOUNG, forecast, np.nan)


def _level(own: Floats, factors: Floats, noise: Floats, days: int) -> Floats:
    """Return the cost of a day of factor 1, over the last days; NaN where none is known.

    Cost over factors, so that heavy weekdays weigh as much as they cost: the mean that adds up to
    a month, which of bursty services lies above the middle.
    """
    cost, factor = own[:, -days:], factors[:, -days:]
    middle = quantile(cost / factor)
    reach = np.exp(_HELD * noise)
    low, high = (middle / reach)[:, None], (middle * reach)[:, None]
    held = np.clip(cost / factor, np.minimum(low, high), np.maximum(low, high)) * factor
    known = ~np.isnan(held)
    weight = np.where(known, factor, 0.0).sum(axis=1)
    level: Floats = np.where(known, held, 0.0).sum(axis=1) / np.where(weight, weight, np.nan)
    return level
