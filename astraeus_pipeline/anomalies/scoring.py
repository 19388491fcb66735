"""Scores of days: expected cost, bounds, how far off, and the reason of a flag."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from astraeus_pipeline.anomalies.expectation import RECENT, Expectation, expect
from astraeus_pipeline.anomalies.panel import (
    HISTORY,
    Flags,
    Floats,
    Panel,
    catch_up_lengths,
)

NONE, SPIKE, SHIFT, NEW_SERVICE = 0, 1, 2, 3
REASONS: Final = (None, "spike", "shift", "new_service")

_SPIKE: Final = 5.2  # deviations; bursty services reach 4 by themselves once a year
_LEAST_SHARE: Final = 0.36  # of the expected cost: what is worth a person's time
_LEAST_NOISES: Final = 3.2  # and of the noise, for heavy tails
_SHIFT: Final = 5.0  # deviations of the mean of ten days
_LEAST_SHIFT: Final = 0.30  # log; growth of 6 % a month stays below 0.12 over the same span
_LEVEL_ERROR: Final = 0.03  # variance of the reference level, in units of the noise's
_MODEL_ERROR: Final = 0.02  # of the expectation beyond noise
_MONTH_ERROR: Final = 0.08  # of effects seen three times at most
_YOUNG: Final = 28  # days of history below which nothing is expected
_NEW_AFTER: Final = 14  # days after the account's first; before, everything is new
_NEW_DAYS: Final = 7


@dataclass(frozen=True)
class Scores:
    """Arrays [S, days]; NaN where a day cannot be scored. Money in the currency of the series."""

    days: tuple[date, ...]
    expected: Floats
    lower: Floats
    upper: Floats
    score: Floats
    reason: NDArray[np.int64]


def score(panel: Panel, first: date, last: date) -> Scores:
    """Score the days from `first` to `last`; each reads days up to itself only.

    The panel should begin LOOKBACK days before `first`; what it lacks counts as unknown.
    """
    gaps = panel.gaps
    catch_ups = catch_up_lengths(panel, gaps)
    lead = max(0, HISTORY - (first - panel.days[0]).days)
    series = len(panel.costs)
    # What was booked late belongs to no single day: history leaves it out.
    past = np.where(catch_ups > 0, np.nan, panel.costs)
    past = np.concatenate([np.full((series, lead), np.nan), past], axis=1)
    count = (last - first).days + 1
    found = Scores(
        days=tuple(first + timedelta(days=each) for each in range(count)),
        expected=np.full((series, count), np.nan),
        lower=np.full((series, count), np.nan),
        upper=np.full((series, count), np.nan),
        score=np.full((series, count), np.nan),
        reason=np.zeros((series, count), dtype=np.int64),
    )
    for number, day in enumerate(found.days):
        at = (day - panel.days[0]).days
        history = past[:, at + lead - HISTORY : at + lead]
        expectation = expect(history, day)
        cost, length = panel.costs[:, at], catch_ups[:, at]
        _score_day(found, number, expectation, history, cost, length, panel.floors)
    _flag_new_series(found, panel)
    return found


def _score_day(
    found: Scores,
    number: int,
    expectation: Expectation,
    history: Floats,
    cost: Floats,
    catch_up: NDArray[np.int64],
    floors: Floats,
) -> None:
    level, factors, noise = expectation.level, expectation.factors, expectation.noise
    smallest = expectation.smallest
    places = np.arange(RECENT)[None, :]
    missed = (places >= RECENT - 1 - catch_up[:, None]) & (places < RECENT - 1)
    due = level * np.where(missed, factors, 0.0).sum(axis=1)
    own = cost - due
    usual = level * factors[:, -1]
    off = np.log(np.maximum(own, smallest)) - np.log(np.maximum(usual, smallest))

    # Noise lasts: a day after a high one is expected higher, as far as yesterday was ordinary.
    recent = np.log(np.maximum(history[:, 1 - RECENT :], smallest[:, None]))
    recent -= np.log(np.maximum(level[:, None] * factors[:, :-1], smallest[:, None]))
    yesterday = np.clip(np.nan_to_num(recent[:, -1]), -2 * noise, 2 * noise)
    carried = expectation.persistence * yesterday
    month = np.where(expectation.month_effect > 0.05, _MONTH_ERROR, 0.0)
    spread = np.sqrt(noise**2 * (1 - expectation.persistence**2) * 1.1 + _MODEL_ERROR**2 + month**2)
    strength = (off - carried) / spread
    excess = own - usual
    least = np.maximum(usual * np.maximum(_LEAST_SHARE, _LEAST_NOISES * noise), floors)
    spike = (strength > _SPIKE) & (excess > least)

    ten = np.concatenate([recent, off[:, None]], axis=1)
    lift, steadiness = _lift(ten, expectation)
    shift = (
        (lift > _LEAST_SHIFT)
        & (lift / steadiness > _SHIFT)
        & (expectation.reference * np.expm1(lift) > floors)
        & (off > -2 * noise)
    )

    scored = ~np.isnan(cost) & (expectation.known_days >= _YOUNG)
    base = np.where(shift, expectation.reference * factors[:, -1], usual * np.exp(carried))
    reach = np.exp(_SPIKE * spread)
    found.expected[:, number] = np.where(scored, base + due, np.nan)
    found.lower[:, number] = np.where(scored, base / reach + due, np.nan)
    found.upper[:, number] = np.where(scored, np.maximum(base * reach, base + least) + due, np.nan)
    best = np.where(shift & ~spike, lift / steadiness, strength)
    found.score[:, number] = np.where(scored, best, np.nan)
    reason = np.where(spike, SPIKE, np.where(shift, SHIFT, NONE))
    found.reason[:, number] = np.where(scored, reason, NONE)


def _lift(ten: Floats, expectation: Expectation) -> tuple[Floats, Floats]:
    """Return how far the last ten days lie above the reference level, in logs, and its deviation.

    No day counts for more than 1.5 deviations from the ten's median: a spike is no new level.
    """
    noise, persistence = expectation.noise, expectation.persistence
    middle, reach = np.nanmedian(_or_zero(ten), axis=1), 1.5 * noise
    held = np.clip(ten, (middle - reach)[:, None], (middle + reach)[:, None])
    known = ~np.isnan(held)
    mean = np.where(known, held, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    lags = np.arange(1, RECENT)[:, None]
    inflation = 1 + 2 * ((1 - lags / RECENT) * persistence[None, :] ** lags).sum(axis=0)
    deviation = np.sqrt((noise**2 + _MODEL_ERROR**2) * (inflation / RECENT + _LEVEL_ERROR))
    return mean + np.log(expectation.level / expectation.reference), deviation


def _or_zero(values: Floats) -> Floats:
    """Return the values, a row without any as zeros."""
    empty = np.isnan(values).all(axis=1, keepdims=True)
    return np.where(empty, 0.0, values)


def _flag_new_series(found: Scores, panel: Panel) -> None:
    """Flag the day on which a series that began late has cost more than the floor in a week."""
    begin = panel.days[0]
    for row, (first, group_first) in enumerate(
        zip(panel.first_days, panel.group_first_days, strict=True)
    ):
        if (first - group_first).days < _NEW_AFTER or first < begin:
            continue
        at = (first - begin).days
        sums = np.nancumsum(panel.costs[row, at : at + _NEW_DAYS])
        for passed in np.flatnonzero(sums >= panel.floors[row])[:1]:
            number = (first - found.days[0]).days + int(passed)
            if 0 <= number < len(found.days):
                cost = panel.costs[row, at + int(passed)]
                found.expected[row, number] = found.lower[row, number] = 0.0
                found.upper[row, number] = panel.floors[row]
                found.score[row, number] = cost / panel.floors[row]
                found.reason[row, number] = NEW_SERVICE


def flags(scores: Scores) -> Flags:
    """Days [S, days] that are out of the ordinary."""
    flagged: Flags = scores.reason != NONE
    return flagged
