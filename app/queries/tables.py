"""Rows of a page's table and chart: shares, changes, ranks. Exact, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from app.settings import AppSettings
from astraeus_pipeline.contracts import money

OTHER: Final = "Other"
CHART_GROUPS: Final = 8
_HUNDRED: Final = Decimal(100)


@dataclass(frozen=True)
class GroupCost:
    """One group's cost beside what it is compared with; None: there was nothing."""

    group: str
    cost: Decimal
    previous: Decimal | None
    share_percent: Decimal | None
    change: Decimal | None
    change_percent: Decimal | None


def total(rows: Iterable[dict[str, Any]]) -> Decimal:
    """Return the exact sum of the rows' costs."""
    return money.total(row["cost"] for row in rows if row["cost"] is not None)


def compare(
    key: str, rows: Sequence[dict[str, Any]], before: Sequence[dict[str, Any]] | None
) -> list[GroupCost]:
    """Return the groups of both periods, dearest first."""
    costs = {row[key]: row["cost"] for row in rows}
    previous = {row[key]: row["cost"] for row in before or ()}
    whole = total(rows)
    groups = [
        _group(name, costs.get(name, money.ZERO), previous.get(name), whole, before is not None)
        for name in {**costs, **previous}
    ]
    return sorted(groups, key=lambda each: (-each.cost, each.group))


def change(now: Decimal, before: Decimal | None) -> tuple[Decimal | None, Decimal | None]:
    """Return (change, change in percent); percent is None for a base of nothing or zero."""
    if before is None:
        return None, None
    delta = money.subtract(now, before)
    return delta, delta * _HUNDRED / abs(before) if before else None


def movers(groups: Sequence[GroupCost], limit: int) -> list[GroupCost]:
    """Return the groups that changed most, in either direction."""
    changed = [each for each in groups if each.change]
    return sorted(changed, key=lambda each: -abs(each.change or money.ZERO))[:limit]


def charted(
    key: str, rows: Sequence[dict[str, Any]], ranked: Sequence[GroupCost]
) -> list[dict[str, Any]]:
    """Return the rows for a chart: the dearest groups by name, the rest summed as Other."""
    named = {each.group for each in ranked[:CHART_GROUPS]}
    cells: dict[tuple[Any, str], dict[str, Any]] = {}
    for row in rows:
        group = row[key] if row[key] in named else OTHER
        cell = cells.setdefault(
            (row["period"], group),
            {"period": row["period"], "group": group, "cost": money.ZERO, "is_final": True},
        )
        cell["cost"] = money.add(cell["cost"], row["cost"])
        cell["is_final"] = cell["is_final"] and row["is_final"]
    return list(cells.values())


def _group(
    name: str, cost: Decimal, previous: Decimal | None, whole: Decimal, is_compared: bool
) -> GroupCost:
    before = (previous or money.ZERO) if is_compared else None
    delta, percent = change(cost, before)
    share = cost * _HUNDRED / whole if whole else None
    return GroupCost(name, cost, before, share, delta, percent)


def average(amount: Decimal | None, days: int) -> Decimal | None:
    """Return the amount per day; None where there are no days."""
    return None if amount is None or not days else amount / days


def summed(key: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows summed over their periods, one per group."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row[key]] = money.add(sums.get(row[key], money.ZERO), row["cost"])
    return [{key: group, "cost": cost} for group, cost in sums.items()]


def open_share(rows: Sequence[dict[str, Any]]) -> Decimal | None:
    """Return the percentage of the cost that is not final; None if all is."""
    whole = money.total(abs(row["cost"]) for row in rows)
    part = money.total(abs(row["cost"]) for row in rows if not row["is_final"])
    return part * _HUNDRED / whole if part and whole else None


def is_material(percent: Decimal | None) -> bool:
    """Whether a change is large enough to be coloured."""
    return percent is not None and abs(percent) >= AppSettings().material_percent
