"""A typed question into SQL with bound parameters. Names come from the catalogue, values never."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.queries.catalog import DIMENSIONS, GRAINS, METRICS, SOURCE, Basis, Grain
from astraeus_pipeline.contracts.days import DayRange

# By dimension key, the values wanted, with the catalogue's word for null.
Filters = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class CostQuery:
    """Costs of days in one currency, grouped by at most a grain and some dimensions."""

    days: DayRange
    currency: str
    basis: Basis = "billed"
    group_by: tuple[str, ...] = ()
    grain: Grain | None = None
    filters: Filters = ()


@dataclass(frozen=True)
class Statement:
    """SQL and its parameters; hashable, so that answers can be cached by it."""

    sql: str
    parameters: tuple[tuple[str, Any], ...]


def compile_costs(query: CostQuery) -> Statement:
    """Return the statement of a cost query.

    Columns out: `period` if there is a grain, a column per dimension key, `cost` (numeric),
    `open_cost` (the part that is not final), `charges`, `is_final`, `days` (days with charges).
    Raises: KeyError for a dimension or metric that the catalogue does not have.
    """
    condition, parameters = slice_of(query)
    groups = _groups(query, parameters)
    names = [alias for alias, _ in groups]
    select = [
        *(f"{expression} as {alias}" for alias, expression in groups),
        f"sum(costs.{METRICS[query.basis].column}) as cost",
        f"coalesce(sum(costs.{METRICS[query.basis].column}) filter (where not costs.is_final), 0)"
        " as open_cost",
        "sum(costs.charges) as charges",
        "bool_and(costs.is_final) as is_final",
        "count(distinct costs.usage_date) as days",
    ]
    # Every name below is the catalogue's, every value is bound.
    sql = f"select {', '.join(select)} from {SOURCE} where {condition}"  # noqa: S608 - names of the catalogue
    if names:
        positions = ", ".join(str(number) for number in range(1, len(names) + 1))
        sql += f" group by {positions} order by {positions}"
    return Statement(sql, tuple(sorted(parameters.items())))


def slice_of(query: CostQuery) -> tuple[str, dict[str, Any]]:
    """Return the condition of a query over `costs` and `accounts`, and its parameters.

    It holds for the daily costs and, where they are named `costs`, for the charges behind them.
    Raises: KeyError for a dimension that the catalogue does not have.
    """
    parameters: dict[str, Any] = {
        "first": query.days.first,
        "last": query.days.last,
        "currency": query.currency,
    }
    conditions = [
        "costs.usage_date between :first and :last",
        "costs.billing_currency = :currency",
        *conditions_of(query.filters, parameters),
    ]
    return " and ".join(conditions), parameters


def _groups(query: CostQuery, parameters: dict[str, Any]) -> list[tuple[str, str]]:
    groups = [("period", GRAINS[query.grain])] if query.grain else []
    for key in query.group_by:
        dimension = DIMENSIONS[key]
        parameters[f"missing_{key}"] = dimension.missing
        groups.append((key, f"coalesce({dimension.column}, :missing_{key})"))
    return groups


def conditions_of(filters: Filters, parameters: dict[str, Any]) -> list[str]:
    """Return the conditions of filters over `costs` and `accounts`; bind their values.

    Raises: KeyError for a dimension that the catalogue does not have.
    """
    conditions = []
    for key, values in filters:
        dimension = DIMENSIONS[key]
        parameters[f"missing_{key}"] = dimension.missing
        parameters[f"wanted_{key}"] = list(values)
        conditions.append(f"coalesce({dimension.column}, :missing_{key}) = any(:wanted_{key})")
    return conditions


def compile_members(key: str, currency: str) -> Statement:
    """Return the statement that lists a dimension's values, `member`, the dearest first.

    Raises: KeyError for a dimension that the catalogue does not have.
    """
    dimension = DIMENSIONS[key]
    sql = (
        f"select coalesce({dimension.column}, :missing) as member from {SOURCE}"  # noqa: S608 - names of the catalogue
        " where costs.billing_currency = :currency"
        " group by 1 order by sum(abs(costs.billed_cost)) desc, 1"
    )
    return Statement(sql, (("currency", currency), ("missing", dimension.missing)))
