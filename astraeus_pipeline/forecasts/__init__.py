"""Forecasting the cost of months: a projection, two plain ones beside it, backtests, intervals.

Pure arithmetic over arrays; what is read and where forecasts are kept is the warehouse's.
"""

from __future__ import annotations

from typing import Final

# Part of every forecast's key: another method keeps its own rows. Raised when figures would change.
METHOD: Final = "level_mix_1"
# What everyone can do without us, on the same series, judged in the same way.
RUN_RATE: Final = "run_rate"
LAST_WEEK: Final = "last_week"
