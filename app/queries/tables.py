"""Rows of a page's table and chart: shares, changes, ranks. Exact, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from app.settings import app_settings
from astraeus_pipeline.contracts import money

# Not "Other": that is a service category of FOCUS itself.
OTHER: Final = "All other"
CHART_GROUPS: Final = 8
# Small lines beside rows: more would take longer to fetch than all else of a page.
LINES: Final = 50
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


def add_up(amounts: Iterable[Decimal]) -> Decimal:
    """Return the exact sum of amounts."""
    return money.total(amounts)


def compare(
    key: str, rows: Sequence[dict[str, Any]], before: Sequence[dict[str, Any]] | None
) -> list[GroupCost]:
    """Return the groups of both periods, dearest first; None: there is nothing to compare with."""
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


def points(now: Decimal | None, before: Decimal | None) -> Decimal | None:
    """Return how many percentage points a share has moved; None where either is unknown."""
    return None if now is None or before is None else now - before


def movers(groups: Sequence[GroupCost], limit: int) -> list[GroupCost]:
    """Return the groups that changed most, in either direction."""
    changed = [each for each in groups if each.change]
    return sorted(changed, key=lambda each: -abs(each.change or money.ZERO))[:limit]


def named(ranked: Sequence[GroupCost], apart: str | None = None) -> list[str]:
    """Return the groups that a chart names: the dearest, and `apart` as the last if it is there.

    What nobody tagged or bears is shown apart whatever it costs: it is what there is to do.
    """
    groups = [each.group for each in ranked]
    if apart not in groups:
        return groups[:CHART_GROUPS]
    return [*[each for each in groups if each != apart][: CHART_GROUPS - 1], str(apart)]


def charted(key: str, rows: Sequence[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows for a chart: the groups named by name, the rest summed as OTHER.

    Every group has a cell in every period that has data; a period without any has none: a gap.
    """
    named = frozenset(names)
    groups = dict.fromkeys(row[key] if row[key] in named else OTHER for row in rows)
    cells: dict[tuple[Any, str], dict[str, Any]] = {
        (period, group): {"period": period, "group": group, "cost": money.ZERO, "is_final": True}
        for period in dict.fromkeys(row["period"] for row in rows)
        for group in groups
    }
    for row in rows:
        cell = cells[row["period"], row[key] if row[key] in named else OTHER]
        cell["cost"] = money.add(cell["cost"], row["cost"])
        cell["is_final"] = cell["is_final"] and row["is_final"]
    return list(cells.values())


def accumulated(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a chart's cells with each group's costs summed up to its period."""
    sums: dict[str, Decimal] = {}
    out = []
    for cell in sorted(cells, key=lambda each: each["period"]):
        sums[cell["group"]] = money.add(sums.get(cell["group"], money.ZERO), cell["cost"])
        out.append({**cell, "cost": sums[cell["group"]]})
    return out


def trends(
    key: str, rows: Sequence[dict[str, Any]], steps: Sequence[date]
) -> dict[str, list[Decimal | None]]:
    """Return each group's costs by period; None where no group has data, 0 where only it has none.

    A fall to nothing in a day that was delivered is news, a day not delivered is not.
    """
    delivered = {row["period"] for row in rows}
    costs = {(row[key], row["period"]): row["cost"] for row in rows}
    return {
        group: [
            costs.get((group, step), money.ZERO) if step in delivered else None for step in steps
        ]
        for group in dict.fromkeys(row[key] for row in rows)
    }


def line(rows: Sequence[dict[str, Any]], steps: Sequence[date]) -> list[Decimal | None]:
    """Return the cost of each period, None where there is no data."""
    costs = {row["period"]: row["cost"] for row in rows}
    return [costs.get(step) for step in steps]


def running(points: Sequence[Decimal | None]) -> list[Decimal | None]:
    """Return the sums up to each point; None stays None."""
    whole = money.ZERO
    out: list[Decimal | None] = []
    for point in points:
        whole = money.add(whole, point or money.ZERO)
        out.append(None if point is None else whole)
    return out


def ordered(cells: Sequence[dict[str, Any]], order: Sequence[str]) -> list[str]:
    """Return the groups that the cells have in a given order, then the rest, OTHER last."""
    shown = {cell["group"] for cell in cells}
    rest = sorted(shown - {*order, OTHER})
    return [group for group in (*order, *rest, OTHER) if group in shown]


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


def open_cost(rows: Iterable[dict[str, Any]]) -> Decimal:
    """Return the part of the cost that is not final."""
    return money.total(row["open_cost"] for row in rows)


def open_share(rows: Sequence[dict[str, Any]]) -> Decimal | None:
    """Return the percentage of the cost that is not final; None if all is, or of no cost."""
    whole, part = total(rows), open_cost(rows)
    return part * _HUNDRED / whole if part and whole else None


def is_material(percent: Decimal | None) -> bool:
    """Whether a change is large enough to be coloured."""
    return percent is not None and abs(percent) >= app_settings().material_percent
