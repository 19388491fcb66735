"""What would have been said on the same day of earlier months, and how far off it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from astraeus_pipeline.anomalies.panel import Floats
from astraeus_pipeline.forecasts.costs import Costs, cutoffs
from astraeus_pipeline.forecasts.outlook import METHODS, Outlook, look_ahead

# How far off a series is said to be before it has shown it, by months ahead; and the number of
# months that this counts for. Intervals are calibrated, so only the proportions matter.
_PRIOR: Final = np.array([0.06, 0.09, 0.11, 0.13])
_PRIOR_MONTHS: Final = 8
_FARTHEST: Final = 2.0  # of an error's logarithm


@dataclass(frozen=True)
class Backtest:
    """One outlook of the past beside what came: `actual` [S, MONTHS], NaN where it is not known.

    By method: `errors` [S, MONTHS], the logarithm of what came after the day over what was said of
    it, NaN where either is unknown; `scales` [S, MONTHS], how far off the series used to be then.
    """

    outlook: Outlook
    actual: Floats
    errors: Mapping[str, Floats]
    scales: Mapping[str, Floats]


def backtest(
    costs: Costs, as_of: date, floors: Floats
) -> tuple[list[Backtest], Mapping[str, Floats]]:
    """Return the backtests, the earliest first, and by method the scales [S, MONTHS] of `as_of`.

    `floors` [S]: months for which less is forecast and booked than this are left out, since their
    relative errors mean nothing.
    """
    done: list[Backtest] = []
    for day in cutoffs(as_of):
        if costs.place(day) < 0 or not costs.known(costs.place(day)).any():
            continue
        outlook = look_ahead(costs, day)
        actual = _actual(costs, outlook, as_of)
        errors = {method: _errors(outlook, method, actual, floors) for method in METHODS}
        scales = {method: _scales(done, method, day) for method in METHODS}
        done.append(Backtest(outlook, actual, errors, scales))
    return done, {method: _scales(done, method, as_of) for method in METHODS}


def _actual(costs: Costs, outlook: Outlook, as_of: date) -> Floats:
    """Sum the months that are over; one with a day that never came stays unknown."""
    actual = np.full(outlook.booked.shape, np.nan)
    known = costs.known(costs.place(as_of))
    for at, month in enumerate(outlook.months):
        first, last = costs.place(month.first), costs.place(month.last)
        if month.last <= as_of and first >= 0 and known[first : last + 1].all():
            actual[:, at] = costs.booked(first, last)
    return actual


def _errors(outlook: Outlook, method: str, actual: Floats, floors: Floats) -> Floats:
    rest, came = outlook.rest[method], actual - outlook.booked
    floor = floors[:, None]
    least = 0.01 * floor
    errors = np.log(np.maximum(came, least) / np.maximum(rest, least))
    counts = np.fmax(actual, outlook.booked + rest) >= floor
    return np.where(counts, np.clip(errors, -_FARTHEST, _FARTHEST), np.nan)


def _scales(done: Sequence[Backtest], method: str, day: date) -> Floats:
    """Return how far off each series was, as far as that was known on a day."""
    if not done:
        return _PRIOR[None, :]
    total = np.zeros_like(done[0].actual)
    count = np.zeros_like(total)
    for each in done:
        over = np.array([month.last <= day for month in each.outlook.months])
        known = ~np.isnan(each.errors[method]) & over
        total += np.where(known, np.abs(each.errors[method]), 0.0)
        count += known
    scales: Floats = (_PRIOR * _PRIOR_MONTHS + total) / (_PRIOR_MONTHS + count)
    return scales
