"""What a day should have cost, from the 26 weeks before it.

Weeks are the unit: the median of seven consecutive days is the same whatever the weekday pattern
(each week holds each weekday once), so level, weekday factors and noise come apart without a fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from astraeus_pipeline.anomalies.panel import HISTORY, Floats, quantile

RECENT: Final = 10  # days judged together for a change of level, today included
_WEEKS: Final = HISTORY // 7
_WEEKS_OF_FACTORS: Final = 12
_LEVEL_DAYS: Final = 56
_REFERENCE: Final = slice(HISTORY - 84, HISTORY - 21)
_LEAST_NOISE: Final = 0.012
_MONTH_END: Final = 4  # days before a month's end on which close jobs run


@dataclass(frozen=True)
class Expectation:
    """For one day: arrays [S], logarithms natural, money in the currency of the series.

    `level` is a usual day's cost, `factors` [S, RECENT] what weekday and month position make of it
    on each of the last days (today last), `month_effect` today's part of that; `noise` the relative
    standard deviation, `persistence` its correlation from day to day; `reference` the level of
    three to twelve weeks ago (NaN where the series is too young); `smallest` the cost below which
    differences mean nothing; `known_days` how many days of history there are.
    """

    level: Floats
    factors: Floats
    month_effect: Floats
    noise: Floats
    persistence: Floats
    reference: Floats
    smallest: Floats
    known_days: NDArray[np.int64]


@dataclass(frozen=True)
class Weekly:
    """History as whole weeks: logarithms natural, NaN where nothing is known.

    `logs` [S, HISTORY]; `levels` [S, weeks]; `weekdays` [S, 7], the first of them the weekday on
    which each week of the history begins; `noise`, `persistence`, `smallest` as in Expectation.
    """

    logs: Floats
    levels: Floats
    weekdays: Floats
    noise: Floats
    persistence: Floats
    smallest: Floats


def weekly(history: Floats) -> Weekly:
    """Take level, weekday factors and noise of the `history` [S, HISTORY] apart."""
    smallest = np.maximum(0.05 * np.nan_to_num(quantile(history)), 0.01)
    logs = np.log(np.maximum(history, smallest[:, None]))
    weeks = logs.reshape(-1, _WEEKS, 7)
    levels = _smoothed(quantile(weeks))
    around = weeks - levels[:, :, None]
    weekdays = np.nan_to_num(quantile(np.moveaxis(around[:, -_WEEKS_OF_FACTORS:], 1, 2)))
    rough = 1.4826 * quantile(np.abs(around - weekdays[:, None, :]).reshape(len(logs), -1))
    weekdays = _shrunk(weekdays, rough)
    noise, persistence = _noise((around - weekdays[:, None, :]).reshape(logs.shape))
    return Weekly(logs, levels, weekdays, noise, persistence, smallest)


def expect(history: Floats, today: date) -> Expectation:
    """Return what to expect today.

    Shape: `history` [S, HISTORY], the days before `today`, NaN where nothing is known.
    """
    known = ~np.isnan(history)
    weeks = weekly(history)
    noise, weekdays = weeks.noise, weeks.weekdays
    usual = np.exp(weeks.levels).repeat(7, axis=1)
    by_weekday = np.tile(np.exp(weekdays), (1, _WEEKS))
    fees = history / usual - by_weekday  # a fee does not shrink at a weekend
    lifts = history / (usual * by_weekday) - 1  # close jobs do
    factors = np.stack(
        [_factor(fees, lifts, by_weekday, noise, today, offset) for offset in range(1 - RECENT, 1)],
        axis=1,
    )
    plain = np.concatenate([by_weekday[:, 1 - RECENT :], by_weekday[:, -7:-6]], axis=1)

    flat = weeks.logs - np.tile(weekdays, (1, _WEEKS))
    reference = flat[:, _REFERENCE]
    return Expectation(
        level=np.exp(_level(flat[:, -_LEVEL_DAYS:], noise)),
        factors=factors,
        month_effect=factors[:, -1] / plain[:, -1] - 1,
        noise=noise,
        persistence=weeks.persistence,
        reference=np.where(
            (~np.isnan(reference)).sum(axis=1) >= 28, np.exp(quantile(reference)), np.nan
        ),
        smallest=weeks.smallest,
        known_days=known.sum(axis=1),
    )


def _smoothed(levels: Floats) -> Floats:
    """Take the median of each week with its neighbours: one odd week is no level."""
    edge = np.full((len(levels), 1), np.nan)
    padded = np.concatenate([edge, levels, edge], axis=1)
    return quantile(np.stack([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], axis=-1))


def _shrunk(weekdays: Floats, rough: Floats) -> Floats:
    """Pull weekday factors that noise alone could make towards none."""
    error = 1.25 * rough[:, None] / np.sqrt(_WEEKS_OF_FACTORS)
    shrunk: Floats = weekdays * weekdays**2 / (weekdays**2 + np.nan_to_num(error) ** 2 + 1e-12)
    return shrunk


def _noise(residuals: Floats) -> tuple[Floats, Floats]:
    """Return standard deviation and day-to-day correlation, outliers held at three deviations.

    The median deviation alone is too small for bursty services: their tails are heavier.
    """
    centred = residuals - quantile(residuals)[:, None]
    rough = np.maximum(1.4826 * quantile(np.abs(centred)), _LEAST_NOISE)[:, None]
    held = np.clip(centred, -3 * rough, 3 * rough)
    noise = np.maximum(np.sqrt(mean_of(held**2)), _LEAST_NOISE)

    held = np.clip(centred, -2.5 * noise[:, None], 2.5 * noise[:, None])
    before, after = held[:, :-1], held[:, 1:]
    pairs = ~np.isnan(before) & ~np.isnan(after)
    product = np.where(pairs, before * after, 0.0).sum(axis=1)
    square = np.where(pairs, before**2, 0.0).sum(axis=1)
    seen = pairs.sum(axis=1)
    # Few days say little of it: start from the usual 0.4 as if that had been seen 40 times. The
    # weekly levels follow the noise a little and take 0.08 of it away.
    correlation = (product / np.maximum(square, 1e-12) * seen + 0.4 * 40) / (seen + 40) + 0.08
    return noise, np.clip(correlation, 0.0, 0.65)


def _level(flat: Floats, noise: Floats) -> Floats:
    """Return the log level: a mean in which no day counts for more than 1.5 deviations."""
    level = quantile(flat)
    for _ in range(2):
        reach = 1.5 * noise
        held = np.clip(flat, (level - reach)[:, None], (level + reach)[:, None])
        level = mean_of(held)
    return level


def mean_of(values: Floats) -> Floats:
    """Return the mean along the last axis, NaN left out; NaN where there is nothing else."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    mean: Floats = np.where(known, values, 0.0).sum(axis=-1) / np.where(count, count, np.nan)
    return mean


def _factor(
    fees: Floats, lifts: Floats, by_weekday: Floats, noise: Floats, today: date, offset: int
) -> Floats:
    """Return what weekday and month position make of the level, `offset` days from today."""
    weekday = by_weekday[:, HISTORY + offset - 7]
    past = [today + timedelta(days=each) for each in range(-HISTORY, offset)]
    day = today + timedelta(days=offset)
    fee = _usual(fees, [at for at, each in enumerate(past) if each.day == day.day])
    fee = np.where(fee > 1.5 * noise, fee, 0.0)
    lift = np.zeros_like(fee)
    if (left := days_left(day)) < _MONTH_END:
        lift = _usual(lifts, [at for at, each in enumerate(past) if days_left(each) == left])
        lift = np.where(lift > noise, lift, 0.0)
    return np.maximum(weekday + fee, weekday * (1 + lift))


def _usual(effects: Floats, places: Sequence[int]) -> Floats:
    """Return the lower median of the last three effects, never negative: once is no habit."""
    if not places:
        return np.zeros(len(effects))
    last = np.sort(effects[:, list(places[-3:])], axis=1)
    middle = np.where((~np.isnan(last)).sum(axis=1) >= 3, 1, 0)
    chosen = np.take_along_axis(last, np.minimum(middle, last.shape[1] - 1)[:, None], axis=1)[:, 0]
    return np.maximum(np.nan_to_num(chosen), 0.0)


def days_left(day: date) -> int:
    """Days from `day` to its month's last."""
    return ((day.replace(day=28) + timedelta(days=4)).replace(day=1) - day).days - 1
