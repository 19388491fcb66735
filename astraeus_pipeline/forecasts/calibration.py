"""Intervals that held so often in the past: conformal, by level and months ahead.

An error is measured in how far off its series used to be, so that quiet and bursty series calibrate
one another. The bounds of a forecast reach as far to both sides as four of five errors did that
were known on its day; in logarithms, of what is still to come. Daily bounds are never added up.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from astraeus_pipeline.anomalies.panel import Floats

COVERAGE: Final = 0.80
LEAST_MONTHS: Final = 3  # in which errors were seen; of fewer nothing follows


def reach(errors: Floats, months: int) -> float | None:
    """Return the bound in units of the scale, from known errors [n] in units of theirs.

    Few errors say little about their own quantile: it is taken a quarter of a standard error
    further out. None where the errors come from fewer than three `months`.
    """
    if months < LEAST_MONTHS or not len(errors):
        return None
    count = len(errors)
    share = COVERAGE + np.sqrt(COVERAGE * (1 - COVERAGE) / count) / 4
    ordered = np.sort(np.abs(errors))
    return float(np.interp(share * (count + 1) - 1, np.arange(count), ordered))
