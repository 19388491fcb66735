"""Invented bills of one shape for all providers, and payloads that can be taken apart."""

from __future__ import annotations

import json
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched
from astraeus_pipeline.providers.base import Provider
from astraeus_pipeline.warehouse.landing import LandingStore
from benchmarks.fault_kinds import Row

KINDS: Final = ("Usage", "Usage", "Usage", "Usage", "Usage", "Usage", "Tax", "Credit")
# Days that only the newer refresh has.
NEW_DAYS: Final = 9

# What a day was before the faulty delivery came.
Past = Literal["restated", "unchanged", "new"]
# What goes wrong between provider and client.
Trouble = Literal["lost page", "answer cut off"]


class Charge:
    """One invented charge: four different costs, ten decimals each; restated by some percent."""

    def __init__(self, day: date, number: int, kind: str, *, is_restated: bool) -> None:
        self.day, self.number, self.kind = day, number, kind
        draw = random.Random(f"{day} {number}")
        sign = -1 if kind == "Credit" else 1
        self.costs = [sign * self._cost(draw, is_restated) for _ in range(4)]

    @staticmethod
    def _cost(draw: random.Random, is_restated: bool) -> Decimal:
        cost, change = draw.randint(10**10, 10**12), draw.randint(10**7, 10**9)
        return Decimal(cost + change * is_restated).scaleb(-10)


def past_of(days: DayRange, day: date) -> Past:
    """Return what happened to a day: days go by threes, so that each has neighbours of its kind."""
    position = (day - days.first).days
    if position >= len(days) - NEW_DAYS:
        return "new"
    return "restated" if position // 3 % 2 == 0 else "unchanged"


def charges(days: DayRange, refresh: int) -> list[Charge]:
    """Return a bill of the days: refresh 0 lacks the newest, refresh 1 restates every other."""
    found = []
    for day in days:
        past = past_of(days, day)
        if past == "new" and refresh == 0:
            continue
        is_restated = past == "restated" and refresh == 1
        found += [
            Charge(day, number, kind, is_restated=is_restated) for number, kind in enumerate(KINDS)
        ]
    return found


class Source(ABC):
    """A provider with two refreshes of one bill; `rows` and `with_rows` take a payload apart."""

    name: ClassVar[str]
    provider: ClassVar[Provider]
    # Names as its payload spells them: of a cost, and of what all rows are found by.
    cost_name: ClassVar[str]
    rows_name: ClassVar[str]

    def __init__(self, days: DayRange, store: LandingStore, folder: Path) -> None:
        self.days, self.store, self.folder = days, store, folder
        self.older, self.newer = (self._fetched(refresh) for refresh in (0, 1))

    @abstractmethod
    def served(
        self, slug: str, refresh: int, trouble: Trouble | None = None
    ) -> AbstractContextManager[Account]:
        """Serve a refresh where the provider's client finds it, and perhaps trouble with it."""

    def in_trouble(self) -> DayRange:
        """Return days that trouble on the way is sure to hit: pages are lost at the end."""
        return DayRange(self.days.last - timedelta(days=NEW_DAYS + 9), self.days.last)

    @abstractmethod
    def rows(self, fetched: Fetched) -> list[Row]:
        """Take the payload apart."""

    @abstractmethod
    def with_rows(self, fetched: Fetched, rows: Sequence[Row]) -> Fetched:
        """Store the rows as a payload in the provider's form; totals stay as they were stated."""

    def _fetched(self, refresh: int) -> list[Fetched]:
        """Fetch a refresh with the real client."""
        with self.served("bench", refresh) as account:
            return list(self.provider.fetch(account, "costs", self.days, self.store))

    def text(self, fetched: Fetched) -> bytes:
        """Return the bytes of the first part."""
        with self.store.open(fetched.parts[0]) as handle:
            return handle.read()

    def with_text(self, fetched: Fetched, text: bytes, *more: bytes) -> Fetched:
        """Store other bytes as the payload."""
        name, kind = fetched.parts[0].name, fetched.parts[0].media_type
        parts = tuple(self.store.put(name, [each], kind) for each in (text, *more))
        return replace(fetched, parts=parts)

    def older_rows(self) -> list[Row]:
        """Return all rows of the older refresh."""
        return [row for fetched in self.older for row in self.rows(fetched)]


def changed_days(before: Sequence[Row], after: Sequence[Row]) -> set[date]:
    """Return the days on which two bills differ, in whatever order their rows are."""
    sides = [Counter((row.day, repr(row)) for row in rows) for rows in (before, after)]
    return {day for day, _ in ((sides[0] - sides[1]) + (sides[1] - sides[0]))}


def lines_of(text: bytes) -> list[dict[str, Any]]:
    """Read a payload of one JSON object a line."""
    return [json.loads(line, parse_float=Decimal) for line in text.splitlines()]


def text_of(pages: Sequence[dict[str, Any]]) -> bytes:
    """Write a payload of one JSON object a line."""
    return b"".join(json.dumps(page, default=str).encode() + b"\n" for page in pages)


def next_day(day: date) -> date:
    """Return the day after."""
    return day + timedelta(days=1)
