"""How often a person may call tools: a client in a loop must not keep others waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Final

from cachetools import LRUCache

from astraeus_pipeline.errors import LimitError

PER_MINUTE: Final = 120
_MINUTE: Final = 60.0
_PEOPLE: Final = 5_000


class Pace:
    """Calls of each person within the last minute, in this process; refused ones do not count."""

    def __init__(
        self, per_minute: int = PER_MINUTE, clock: Callable[[], float] = monotonic
    ) -> None:
        self._most, self._clock = per_minute, clock
        self._calls: LRUCache[str, deque[float]] = LRUCache(_PEOPLE)
        self._lock = Lock()

    def admit(self, person: str) -> None:
        """Count a call. Raises: LimitError where there were too many, saying for how long."""
        with self._lock:
            now = self._clock()
            calls = self._calls.setdefault(person, deque())
            while calls and calls[0] <= now - _MINUTE:
                calls.popleft()
            if len(calls) >= self._most:
                wait = max(1, round(calls[0] + _MINUTE - now))
                raise LimitError(
                    f"More than {self._most} calls within a minute.",
                    hint=f"Wait {wait} seconds; ask for more in one call.",
                )
            calls.append(now)
