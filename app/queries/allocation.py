"""Statements about allocation: what no rule gives to anybody, and what a rule would take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.queries.catalog import METRICS, Basis
from app.queries.compiler import Statement
from astraeus_pipeline.contracts.days import DayRange

DIMENSIONS: Final = {
    "team": "Team",
    "cost_center": "Cost center",
    "environment": "Environment",
}
# What a rule can look at, and fct_daily_allocated_costs has, too.
_DAILY: Final = (
    "provider",
    "account_id",
    "sub_account_id",
    "sub_account_name",
    "service_name",
    "service_category",
    "region_id",
    "charge_category",
)
_CHARGE_ONLY: Final = ("resource_id", "resource_name")


def compile_shares(days: DayRange, currency: str, basis: Basis) -> Statement:
    """Return the statement of how costs are allocated, one row per dimension of DIMENSIONS.

    Costs are in `currency`; `unallocated_percent` is null where nothing costs anything.
    """
    column = METRICS[basis].column
    # One pass over the costs: each of them stands in one of three ways per dimension.
    ways = ", ".join(f"{name}_source" for name in DIMENSIONS)
    parts = ", ".join(f"('{name}', {name}_source)" for name in DIMENSIONS)
    return Statement(
        "select dimensions.dimension, sum(cost) as cost,"  # noqa: S608 - names of this module
        " coalesce(sum(cost) filter (where way = 'unallocated'), 0) as unallocated,"
        " coalesce(sum(cost) filter (where way = 'shared'), 0) as shared,"
        " 100 * coalesce(sum(cost) filter (where way = 'unallocated'), 0)"
        " / nullif(sum(cost), 0) as unallocated_percent"
        " from unnest(cast(:dimensions as text[])) with ordinality as dimensions (dimension, place)"
        f" left join (select parts.*, summed.cost from (select {ways}, sum({column}) as cost"
        " from marts.fct_daily_team_costs"
        " where billing_currency = :currency and usage_date between :first and :last"
        f" group by {ways}) as summed"
        f" cross join lateral (values {parts}) as parts (dimension, way)) as found"
        " on found.dimension = dimensions.dimension"
        " group by dimensions.dimension, dimensions.place order by dimensions.place",
        (
            ("currency", currency),
            ("dimensions", list(DIMENSIONS)),
            ("first", days.first),
            ("last", days.last),
        ),
    )


def compile_by_rule(dimension: str, days: DayRange, currency: str, basis: Basis) -> Statement:
    """Return the statement of what each rule of a dimension decides, `rule_id` null for no rule.

    Raises: KeyError for another dimension.
    """
    DIMENSIONS[dimension]  # a name of this module, never a person's
    return Statement(
        f"select {dimension}_rule_id as rule_id, sum({METRICS[basis].column}) as cost"  # noqa: S608 - names of this module
        " from marts.fct_daily_team_costs"
        " where billing_currency = :currency and usage_date between :first and :last group by 1",
        (("currency", currency), ("first", days.first), ("last", days.last)),
    )


def is_exact(conditions: Mapping[str, Any]) -> bool:
    """Whether what a rule would move can be told: it looks at no resource and no tag."""
    return not {*_CHARGE_ONLY, "tags"} & set(conditions)


def compile_moves(
    dimension: str,
    conditions: Mapping[str, Sequence[str]],
    later: Sequence[int],
    days: DayRange,
    currency: str,
    basis: Basis,
) -> Statement:
    """Return the statement of what a rule would take from whom, the most first.

    `conditions` are patterns by attribute, as rules have them, without resources and tags. `later`
    are the rules that come after it: what an earlier one decides stays. `bearer` is null for what
    nobody bears yet. Raises: KeyError for another dimension.
    """
    DIMENSIONS[dimension]  # a name of this module, never a person's
    values: dict[str, Any] = {
        "currency": currency,
        "first": days.first,
        "last": days.last,
        "later": list(later),
    }
    matched = ["true"]
    for name in _DAILY:
        if patterns := conditions.get(name):
            values[f"of_{name}"] = [like_pattern(each) for each in patterns]
            matched.append(f"lower(btrim({name})) like any(:of_{name})")
    return Statement(
        f"select {dimension} as bearer, sum({METRICS[basis].column}) as cost"  # noqa: S608 - names of this module
        " from marts.fct_daily_allocated_costs"
        " where billing_currency = :currency and usage_date between :first and :last"
        f" and ({dimension}_rule_id is null or {dimension}_rule_id = any(cast(:later as bigint[])))"
        f" and {' and '.join(matched)} group by 1"
        f" order by abs(sum({METRICS[basis].column})) desc, 1",
        tuple(sorted(values.items())),
    )


def like_pattern(pattern: str) -> str:
    """Return a pattern as LIKE knows it, as dbt's macro like_pattern makes it."""
    text = pattern.strip().lower()
    for wild in ("\\", "%", "_"):
        text = text.replace(wild, f"\\{wild}")
    return text.translate(str.maketrans("*?", "%_"))
