"""Answers kept for a while, in the memory of this process, for all who ask the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from time import monotonic
from typing import Any

Rows = list[dict[str, Any]]


class Kept:
    """Rows by key, for some seconds and so many keys; of those who ask at once, one asks.

    Who gets rows gets copies of them; what lies in a row is for reading only. Streamlit's own cache
    pickles each answer and looks its function up at each call: a tenth of what a page takes.
    """

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._rows: dict[Hashable, tuple[float, Rows]] = {}  # the oldest first
        self._asking: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def get(self, key: Hashable, ask: Callable[[], Rows]) -> Rows:
        """Return the rows of a key, asked for if they are not kept. Raises: what `ask` does."""
        with self._lock:
            found = self._fresh(key)
            gate = self._asking.setdefault(key, Lock()) if found is None else None
        if gate is not None:
            with gate:
                found = self._asked(key, ask)
        return [row.copy() for row in found or ()]

    def clear(self) -> None:
        """Forget all of it."""
        with self._lock:
            self._rows.clear()

    def _asked(self, key: Hashable, ask: Callable[[], Rows]) -> Rows:
        with self._lock:
            found = self._fresh(key)
        if found is not None:  # who stood at the gate before has asked
            return found
        try:
            found = ask()
            with self._lock:
                self._rows.pop(key, None)
                self._rows[key] = (monotonic(), found)
                while len(self._rows) > self._most:
                    del self._rows[next(iter(self._rows))]
        finally:
            with self._lock:
                self._asking.pop(key, None)
        return found

    def _fresh(self, key: Hashable) -> Rows | None:
        at, rows = self._rows.get(key, (None, None))
        return rows if at is not None and monotonic() - at < self._seconds else None
