"""A typed question into SQL with bound parameters. Names come from the catalogue, values never."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from app.queries.catalog import (
    DIMENSIONS,
    GRAINS,
    MEMBERS,
    METRICS,
    SOURCE,
    SOURCES,
    Basis,
    Dimension,
    Grain,
    Source,
    Tag,
)
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError

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
    # Whose values the dimension "tag" has; without one all is untagged.
    tag: Tag | None = None

    @property
    def source(self) -> Source:
        """The one mart that has all that is asked for.

        Raises: ConfigError for tags and teams at once, which no mart has beside each other.
        """
        asked = {DIMENSIONS[key].source for key in (*self.group_by, *dict(self.filters))}
        if asked >= {"allocated", "tagged"}:
            raise ConfigError(
                "Costs by tag and costs by who bears them cannot be asked at once: a cost that is"
                " split among teams has no tags of its own.",
                hint="Group by one of them, and take the other's filter back.",
            )
        parts = asked - {"daily"}
        return parts.pop() if parts else "daily"

    def label_of(self, key: str) -> str:
        """Return what a dimension is called, with the key of the tag where it is that."""
        label = DIMENSIONS[key].label
        return f"{label} {self.tag.key}" if key == "tag" and self.tag else label


@dataclass(frozen=True)
class Statement:
    """SQL and its parameters; hashable, so that answers can be cached by it."""

    sql: str
    parameters: tuple[tuple[str, Any], ...]


def compile_costs(query: CostQuery) -> Statement:
    """Return the statement of a cost query.

    Columns out: `period` if there is a grain, a column per dimension key, `cost` (numeric),
    `open_cost` (the part that is not final), `charges`, `is_final`, `days` (days with charges).
    Raises: KeyError for a dimension or metric that the catalogue does not have, ConfigError for
    dimensions that no mart has together.
    """
    if query.source != "daily":
        return _of_another_mart(query)
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
        *conditions_of(tuple(each for each in query.filters if each[0] != "tag"), parameters),
        *_of_tag(query, parameters),
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


def compile_members(key: str, currency: str, tag: Tag | None = None) -> Statement:
    """Return the statement that lists a dimension's values, `member`, the dearest first.

    Raises: KeyError for a dimension that the catalogue does not have.
    """
    if DIMENSIONS[key].source != "daily":
        return _members_of_another_mart(DIMENSIONS[key], currency, tag)
    dimension = DIMENSIONS[key]
    sql = (
        f"select coalesce({dimension.column}, :missing) as member from {SOURCE}"  # noqa: S608 - names of the catalogue
        " where costs.billing_currency = :currency"
        " group by 1 order by sum(abs(costs.billed_cost)) desc, 1"
    )
    return Statement(sql, (("currency", currency), ("missing", dimension.missing)))


TAG_KEYS: Final = Statement(
    # In byte order, so that of several spellings on a charge the same one counts everywhere.
    'select tag_key, array_agg(distinct spelling collate "C" order by spelling collate "C")'
    " as spellings from marts.dim_tag_keys group by 1 order by sum(sets) desc, 1 limit 500",
    (),
)


def _of_another_mart(query: CostQuery) -> Statement:
    """Return the statement of costs by a tag, or by who bears them.

    Columns out are those of daily costs; a day is final where all of its account's costs are.
    """
    condition, parameters = slice_of(query)
    groups = [("period", GRAINS[query.grain])] if query.grain else []
    for key in query.group_by:
        dimension = DIMENSIONS[key]
        parameters[f"missing_{key}"] = dimension.missing
        column = _column(dimension, parameters, query.tag)
        groups.append((key, f"coalesce({column}, :missing_{key})"))
    cost = f"costs.{METRICS[query.basis].column}"
    select = [
        *(f"{expression} as {alias}" for alias, expression in groups),
        f"sum({cost}) as cost",
        f"coalesce(sum({cost}) filter (where not costs.is_final), 0) as open_cost",
        "bool_and(costs.is_final) as is_final",
        "count(distinct costs.usage_date) as days",
    ]
    sql = f"select {', '.join(select)} from {SOURCES[query.source]} where {condition}"  # noqa: S608 - names of the catalogue
    if groups:
        positions = ", ".join(str(number) for number in range(1, len(groups) + 1))
        sql += f" group by {positions} order by {positions}"
    return Statement(sql, tuple(sorted(parameters.items())))


def _members_of_another_mart(dimension: Dimension, currency: str, tag: Tag | None) -> Statement:
    parameters: dict[str, Any] = {"currency": currency, "missing": dimension.missing}
    column = _column(dimension, parameters, tag)
    sql = (
        f"select coalesce({column}, :missing) as member from {MEMBERS[dimension.source]}"  # noqa: S608 - names of the catalogue
        " where costs.billing_currency = :currency"
        " group by 1 order by sum(abs(costs.billed_cost)) desc, 1"
    )
    return Statement(sql, tuple(sorted(parameters.items())))


def _of_tag(query: CostQuery, parameters: dict[str, Any]) -> list[str]:
    """Return the condition of the filter by a tag's values, if there is one; bind its values."""
    wanted = dict(query.filters).get("tag")
    if wanted is None:
        return []
    dimension = DIMENSIONS["tag"]
    parameters |= {"missing_tag": dimension.missing, "wanted_tag": list(wanted)}
    return [
        f"coalesce({_column(dimension, parameters, query.tag)}, :missing_tag) = any(:wanted_tag)"
    ]


def _column(dimension: Dimension, parameters: dict[str, Any], tag: Tag | None) -> str:
    if dimension.key != "tag":
        return dimension.column
    spellings = tag.spellings if tag else ()
    parameters |= {f"spelling_{place}": each for place, each in enumerate(spellings)}
    # As allocation rules compare them: without case and outer blanks; an empty value is no tag.
    values = (
        f"nullif(lower(btrim(costs.tags ->> cast(:spelling_{place} as text))), '')"
        for place in range(len(spellings))
    )
    return f"coalesce({', '.join((*values, 'null::text'))})"
