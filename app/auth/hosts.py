"""Which names this app answers to: a page asked for under another name is somebody's trick."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit


def is_allowed(host: str | None, allowed: Sequence[str]) -> bool:
    """Whether a Host header names one of the hosts; ports are not compared."""
    if not host:
        return False
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # a port that is none
    except ValueError:
        return False
    if parts.netloc != host or parts.username is not None or parts.path or parts.query:
        return False
    name = (parts.hostname or "").lower().rstrip(".")
    return any(_matches(name, each.strip().lower().rstrip(".")) for each in allowed)


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or (pattern.startswith("*.") and name.endswith(pattern[1:]))
