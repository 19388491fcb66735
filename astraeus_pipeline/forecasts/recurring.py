"""Charges beside usage, taxes and fees: by their place in the month, never smeared over it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import numpy as np

from astraeus_pipeline.anomalies.panel import Floats
from astraeus_pipeline.forecasts.costs import Costs, Month

_HABIT: Final = 3  # months that say what is usual
_SEARCHED: Final = 6  # months among which they are, should some be unknown


def recurring_rest(costs: Costs, as_of: date, months: Sequence[Month]) -> Floats:
    """Return what is still to come in each month [S, months].

    It is the middle of what the last three months brought: of the running month, what they brought
    after that day; of two months the lower, and one is no habit.
    """
    rest = np.zeros((len(costs.usage), len(months)))
    following = as_of + timedelta(days=1)
    running = Month(following.replace(day=1))
    known_days = costs.known(costs.place(as_of))
    for at, month in enumerate(months):
        since = max(month.first, following).day
        seen = []
        for back in range(1, _SEARCHED + 1):
            past = running.later(-back)
            begin, end = costs.place(past.first) + since - 1, costs.place(past.last) + 1
            if costs.place(past.first) >= 0 and known_days[begin:end].all():
                seen.append(costs.recurring[:, begin:end].sum(axis=1))
        if len(seen := seen[:_HABIT]) >= 2:
            rest[:, at] = np.sort(np.array(seen), axis=0)[len(seen) - 2]
    return rest
