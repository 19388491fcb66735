"""Pages as they lie in the landing store: one JSON document a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from astraeus_pipeline.contracts.delivery import Landing, Part, Reject
from astraeus_pipeline.contracts.typed_rows import exact

Page = dict[str, Any]


def store(landing: Landing, name: str, pages: Iterable[Page]) -> Part:
    """Put pages into the landing store; equal pages make equal bytes."""
    lines = (json.dumps(page, sort_keys=True, default=str).encode() + b"\n" for page in pages)
    return landing.put(f"{name}.jsonl", lines, "jsonl")


def amount(value: float | int | str | None) -> Decimal | None:
    """Return a figure without a detour through binary fractions; None stays None.

    Raises: ValueError if it is none.
    """
    return None if value is None or value == "" else exact(value)


def rejected(day: date | None, item: object, error: Exception) -> Reject:
    """Return an item that could not be typed, with the reason; its number comes later."""
    return Reject(0, json.dumps(item)[:2000], f"{type(error).__name__}: {error}", day)
