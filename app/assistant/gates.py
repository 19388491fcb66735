"""Whether a provider may be asked now: a circuit breaker and the requests and tokens per minute.

Of one event loop: no locks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from app.assistant.policy import Limits

_MINUTE: Final = 60.0


class Bucket:
    """So many a minute, filled evenly; more than it holds waits for a full one."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._size = float(per_minute)
        self._level = self._size
        self._clock = clock
        self._at = clock()

    def wait(self, amount: float) -> float:
        """Return the seconds until there is as much."""
        self._fill()
        return max(0.0, min(amount, self._size) - self._level) / self._size * _MINUTE

    def take(self, amount: float) -> None:
        """Take as much, or give back; below nothing it waits longer."""
        self._fill()
        self._level = min(self._size, self._level - amount)

    def _fill(self) -> None:
        now = self._clock()
        self._level = min(self._size, self._level + (now - self._at) * self._size / _MINUTE)
        self._at = now


class Gate:
    """One provider's breaker and limits."""

    def __init__(self, limits: Limits | None, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._out_until: float | None = None
        self._requests = Bucket(limits.rpm, clock) if limits and limits.rpm else None
        self._tokens = Bucket(limits.tpm, clock) if limits and limits.tpm else None

    @property
    def is_out(self) -> bool:
        """Whether it failed and its time has not come yet."""
        return self._out_until is not None and self._clock() < self._out_until

    @property
    def is_trial(self) -> bool:
        """Whether it failed, and the next call finds out if it works again: one try is enough."""
        return self._out_until is not None and not self.is_out

    def wait(self, tokens: int) -> float:
        """Return the seconds until it may be asked, 0 for now."""
        out = 0.0 if self._out_until is None else max(0.0, self._out_until - self._clock())
        requests = self._requests.wait(1) if self._requests else 0.0
        spent = self._tokens.wait(tokens) if self._tokens else 0.0
        return max(out, requests, spent)

    def take(self, tokens: int) -> None:
        """Count a request with as many tokens."""
        if self._requests:
            self._requests.take(1)
        self.settle(tokens)

    def settle(self, tokens: int) -> None:
        """Count tokens beyond those that were estimated, or give back."""
        if self._tokens:
            self._tokens.take(tokens)

    def shut(self, seconds: float) -> None:
        """Ask it no more for so long."""
        self._out_until = self._clock() + seconds

    def open(self) -> None:
        """Ask it again: it works."""
        self._out_until = None
