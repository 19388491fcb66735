"""What each simulated day took and how large things were, kept so that a broken run goes on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

from benchmarks.measure import Cost
from benchmarks.years.sizes import Sizes

Kind = Literal["full", "loads"]


@dataclass(frozen=True)
class Day:
    """A simulated day: what of it was done, and what each part cost."""

    day: date
    kind: Kind
    costs: dict[str, Cost]

    @property
    def whole(self) -> Cost:
        """All parts together."""
        return sum(self.costs.values(), Cost(0, 0, 0))


@dataclass
class Diary:
    """Days and sizes so far, in a file."""

    file: Path
    days: list[Day] = field(default_factory=list)
    sizes: dict[str, Sizes] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    backfill: dict[str, Cost] = field(default_factory=dict)
    accepted: int = 0  # days that were refused until somebody let them in

    @classmethod
    def open(cls, file: Path) -> Diary:
        """Read what a former run has written; empty without one."""
        if not file.exists():
            return cls(file)
        content = json.loads(file.read_text())
        return cls(
            file,
            [_day(each) for each in content["days"]],
            {day: _sizes(each) for day, each in content["sizes"].items()},
            content["failures"],
            {name: Cost(**cost) for name, cost in content.get("backfill", {}).items()},
            content.get("accepted", 0),
        )

    def save(self) -> None:
        """Write it whole."""
        content = {
            "days": [asdict(each) | {"day": each.day.isoformat()} for each in self.days],
            "sizes": {day: asdict(each) for day, each in self.sizes.items()},
            "failures": self.failures,
            "accepted": self.accepted,
            "backfill": {name: asdict(cost) for name, cost in self.backfill.items()},
        }
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(content))
        fresh.replace(self.file)


def _day(content: dict[str, Any]) -> Day:
    costs = {name: Cost(**cost) for name, cost in content["costs"].items()}
    return Day(date.fromisoformat(content["day"]), content["kind"], costs)


def _sizes(content: dict[str, Any]) -> Sizes:
    return Sizes(**content | {"landed": tuple(content["landed"])})
