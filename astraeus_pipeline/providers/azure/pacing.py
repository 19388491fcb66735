"""Cost Management's quota: query processing units, counted per tenant.

Azure grants a tenant 12 units in 10 seconds, 60 in a minute and 600 in an hour, and counts one for
each month that a query asks about. All accounts of a tenant share one pacer in a process.
Source: Microsoft Learn, "Cost Management automation", rate limits.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

# Windows in seconds, with their share of a minute's units.
_WINDOWS: Final = ((10.0, 0.2), (60.0, 1.0), (3600.0, 10.0))


class Pacer:
    """Makes callers wait until the quota has room for them."""

    def __init__(
        self,
        units_per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.units_per_minute = units_per_minute
        self._clock, self._sleep = clock, sleep
        self._spent: deque[tuple[float, int]] = deque()
        self._lock = threading.Lock()

    def take(self, units: int) -> None:
        """Wait until the units may be spent, and spend them.

        More units than a window holds are let through once that window is empty.
        """
        while True:
            with self._lock:
                wait = self._wait(units)
                if wait <= 0:
                    self._spent.append((self._clock(), units))
                    return
            self._sleep(wait)

    def _wait(self, units: int) -> float:
        now = self._clock()
        while self._spent and now - self._spent[0][0] >= _WINDOWS[-1][0]:
            self._spent.popleft()
        return max(self._wait_in(now, units, *window) for window in _WINDOWS)

    def _wait_in(self, now: float, units: int, seconds: float, share: float) -> float:
        room = self.units_per_minute * share - units
        wait = 0.0
        for spent_at, spent in reversed(self._spent):
            if now - spent_at >= seconds:
                break
            room -= spent
            if room < 0:
                wait = max(wait, spent_at + seconds - now)
        return wait


_PACERS: Final[dict[str, Pacer]] = {}
_LOCK: Final = threading.Lock()


def pacer_of(tenant: str, units_per_minute: int) -> Pacer:
    """Return the tenant's pacer, the same for all of its accounts in this process."""
    with _LOCK:
        pacer = _PACERS.setdefault(tenant.lower(), Pacer(units_per_minute))
        pacer.units_per_minute = units_per_minute
        return pacer
