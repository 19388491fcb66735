"""Months seen from a day: what is booked, and what each method says of the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from astraeus_pipeline.anomalies.panel import Floats
from astraeus_pipeline.forecasts import LAST_WEEK, METHOD, RUN_RATE
from astraeus_pipeline.forecasts.costs import Costs, Month, months_ahead
from astraeus_pipeline.forecasts.projection import last_week, project, run_rate
from astraeus_pipeline.forecasts.recurring import recurring_rest

_Project = Callable[[Floats, date, Sequence[date]], Floats]
# The plain ones know no kinds of charges: what was charged goes on.
_PLAIN: Final[Mapping[str, _Project]] = {RUN_RATE: run_rate, LAST_WEEK: last_week}
METHODS: Final = (METHOD, *_PLAIN)


@dataclass(frozen=True)
class Outlook:
    """For S series on the day `as_of`: `booked` [S, MONTHS] is known, `rest` [S, MONTHS] by method.

    The rest is NaN for series that are too young. Days that were not delivered belong to it.
    """

    as_of: date
    months: Sequence[Month]
    booked: Floats
    rest: Mapping[str, Floats]


def look_ahead(costs: Costs, as_of: date) -> Outlook:
    """Forecast the running month's rest and the next three; reads no day after `as_of`."""
    place = costs.place(as_of)
    months = months_ahead(as_of)
    known = costs.known(place)
    begin = costs.place(months[0].first)
    booked = np.zeros((len(costs.usage), len(months)))
    booked[:, 0] = costs.booked(begin, place)

    days: list[date] = []
    ends = []
    for month in months:
        days.extend(
            day
            for day in month.days_from(month.first)
            if day > as_of or (costs.place(day) >= 0 and not known[costs.place(day)])
        )
        ends.append(len(days))
    usage = _by_month(project(costs.history(place, costs.habit), as_of, days), ends)
    rest = {METHOD: usage + recurring_rest(costs, as_of, months)}
    everything = costs.history(place, costs.habit + costs.recurring)
    for method, plain in _PLAIN.items():
        rest[method] = _by_month(plain(everything, as_of, days), ends)
    return Outlook(as_of, months, booked, rest)


def _by_month(daily: Floats, ends: Sequence[int]) -> Floats:
    sums = np.concatenate([np.zeros((len(daily), 1)), daily.cumsum(axis=1)], axis=1)
    return np.diff(sums[:, [0, *ends]], axis=1)
