"""Passwords in the server: two at once, each takes 64 MiB and a processor for a while."""

from __future__ import annotations

from typing import Final

from anyio import CapacityLimiter, to_thread

from astraeus_pipeline.accounts.passwords import (
    MAXIMUM_LENGTH,
    MINIMUM_LENGTH,
    hashed,
    holds,
    objection,
)

__all__ = ["MAXIMUM_LENGTH", "MINIMUM_LENGTH", "hashed_soon", "holds_soon", "objection"]

_AT_ONCE: Final = 2
_LIMITERS: Final[list[CapacityLimiter]] = []


async def hashed_soon(password: str) -> str:
    """Hash in a thread, after at most one other."""
    return await to_thread.run_sync(hashed, password, limiter=_limiter())


async def holds_soon(kept: str | None, password: str) -> bool:
    """Check in a thread, after at most one other."""
    return await to_thread.run_sync(holds, kept, password, limiter=_limiter())


def _limiter() -> CapacityLimiter:
    # Made where an event loop runs: before that anyio does not know its kind.
    if not _LIMITERS:
        _LIMITERS.append(CapacityLimiter(_AT_ONCE))
    return _LIMITERS[0]
