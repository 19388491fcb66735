"""Why costs differ between two periods: the drivers of marts.explain_cost_change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from app.queries.catalog import DIMENSIONS, METRICS
from app.queries.compiler import CostQuery, Statement
from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange

# Drivers in the order that they are told, as people call them.
DRIVERS: Final = {
    "new": "New",
    "gone": "Gone",
    "usage": "More or less usage",
    "price": "Prices",
    "commitment": "Commitments",
    "credit": "Credits",
    "tax": "Taxes",
    "adjustment": "Adjustments",
    "unexplained: no quantity": "No quantity given",
    "unexplained: account not loaded": "Account not loaded",
}
# Filters of the catalogue and the function's parameters.
_PARAMETERS: Final = {
    "category": "service_categories",
    "service": "services",
    "sub_account": "sub_accounts",
    "region": "regions",
    "charge": "charge_categories",
}


@dataclass(frozen=True)
class Step:
    """One bar of a waterfall: from `start` to `end`; totals stand on nothing."""

    label: str
    amount: Decimal
    start: Decimal
    end: Decimal
    is_total: bool


def can_explain(query: CostQuery) -> bool:
    """Whether the filters can be asked: no tags, no teams, nothing without a service and so on."""
    if replace(query, group_by=()).source != "daily":
        return False
    return all(DIMENSIONS[key].missing not in values for key, values in query.filters)


def compile_drivers(
    query: CostQuery,
    before: DayRange,
    accounts: Iterable[Mapping[str, Any]],
    *,
    by_service: bool = False,
) -> Statement:
    """Return the statement of what each driver brings, from `before` to the days of the query.

    `accounts` are all accounts, with `account_id` and `provider` as filters name it. Columns out:
    driver, delta, and service if it is asked for; the largest first.
    Raises: KeyError for a dimension that cannot be filtered by.
    """
    wanted = dict(query.filters)
    providers, names = wanted.pop("provider", None), wanted.pop("account", None)
    chosen = [
        row["account_id"]
        for row in accounts
        if (providers is None or row["provider"] in providers)
        and (names is None or row["account_id"] in names)
    ]
    parameters: dict[str, Any] = {
        "first_a": before.first,
        "last_a": before.last,
        "first_b": query.days.first,
        "last_b": query.days.last,
        "basis": METRICS[query.basis].column,
        "currency": query.currency,
        "accounts": chosen if providers or names else None,
        **{_PARAMETERS[key]: list(values) for key, values in wanted.items()},
    }
    named = "".join(f", {_PARAMETERS[key]} => :{_PARAMETERS[key]}" for key in wanted)
    service = "service_name as service, " if by_service else ""
    sql = (
        f"select {service}driver, delta from marts.explain_cost_change("  # noqa: S608 - names of this module
        ":first_a, :last_a, :first_b, :last_b, :basis, :currency,"
        f" accounts => cast(:accounts as text[]){named},"
        f" by_service => {'true' if by_service else 'false'})"
        f" order by abs(delta) desc, {'service_name, ' if by_service else ''}driver"
    )
    return Statement(sql, tuple(sorted(parameters.items())))


def waterfall(rows: Sequence[Mapping[str, Any]], before: Decimal, after: Decimal) -> list[Step]:
    """Return the steps from one total to the other, each of all services together.

    `rows` are drivers with their deltas, by service or not; what has no effect is left out.
    """
    deltas: dict[str, Decimal] = {}
    for row in rows:
        deltas[row["driver"]] = money.add(deltas.get(row["driver"], money.ZERO), row["delta"])
    deltas = {driver: delta for driver, delta in deltas.items() if delta}
    at = before
    steps = [Step("Before", before, money.ZERO, before, is_total=True)]
    for key in (*DRIVERS, *(name for name in deltas if name not in DRIVERS)):
        if key in deltas:
            end = money.add(at, deltas[key])
            steps.append(Step(DRIVERS.get(key, key), deltas[key], at, end, is_total=False))
            at = end
    return [*steps, Step("Now", after, money.ZERO, after, is_total=True)]


def residual(steps: Sequence[Step]) -> Decimal:
    """Return by how much the steps miss the total that they should reach; always 0."""
    return money.subtract(steps[-1].end, steps[-2].end)
