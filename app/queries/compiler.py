"""A typed question into SQL with bound parameters. Names come from the catalogue, values never."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from app.queries import rollups
from app.queries.catalog import (
    ACCOUNTS,
    DIMENSIONS,
    GRAINS,
    MEMBERS,
    METRICS,
    SOURCES,
    Basis,
    Dimension,
    Grain,
    Source,
    Tag,
)
from app.queries.tables import OTHER
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError

# By dimension key, the values wanted, with the catalogue's word for null.
Filters = tuple[tuple[str, tuple[str, ...]], ...]
# Where a dimension stands, by its key and its column in the catalogue.
ColumnOf = Callable[[str, str], str]


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
    # The groups to tell apart, where not all: the rest is summed as OTHER.
    named: tuple[str, ...] = ()
    # Through this day all is final, whether or not the provider marks its charges so.
    final_through: date | None = None

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
    """SQL and its parameters; hashable, so that answers can be cached by it.

    `by_day` asks the daily costs for the same, where this asks for sums of them: who is scoped to
    teams sees neither, but their own costs in the daily costs' stead. `by_account` asks sums that
    have their accounts, where this asks for totals of all of them: who is scoped to some accounts
    sees nothing of the totals.
    """

    sql: str
    parameters: tuple[tuple[str, Any], ...]
    by_day: Statement | None = None
    by_account: Statement | None = None

    @property
    def key(self) -> str:
        """What tells it from all other statements, as text."""
        return f"{self.sql}\0{self.parameters!r}"


def compile_costs(query: CostQuery) -> Statement:
    """Return the statement of a cost query.

    Columns out: `period` if there is a grain, a column per dimension key, `cost` (numeric),
    `open_cost` (the part that is not final), `is_final`: by the provider's mark, or because all
    days through `final_through` are.
    Raises: KeyError for a dimension or metric that the catalogue does not have, ConfigError for
    dimensions that no mart has together.
    """
    by_day = compile_by_day(query)
    asked = _asked(query)
    if query.source == "allocated" and rollups.is_of_bearers(asked):
        return replace(_rolled(query, None, rollups.OF_BEARERS), by_day=by_day)
    if query.source == "tagged" and rollups.is_of_tags(asked):
        return replace(_rolled(query, None, rollups.OF_TAGS), by_day=by_day)
    dimension = rollups.dimension_of(asked)
    if dimension is None:
        return _with_months(query, by_day) or by_day
    by_account = replace(_rolled(query, dimension, rollups.TABLE), by_day=by_day)
    if not rollups.is_of_all(asked):
        return by_account
    totals = _rolled(query, dimension, rollups.TOTALS)
    return replace(totals, by_day=by_day, by_account=by_account)


def compile_by_day(query: CostQuery, *more: str) -> Statement:
    """Return the statement of the same, of the daily costs whatever the question.

    `more` are columns to add, over `costs`. Costs by a tag or by who bears them come from marts of
    their own.
    Raises: KeyError for a dimension or metric that the catalogue does not have, ConfigError for
    dimensions that no mart has together.
    """
    if query.source != "daily":
        return _of_another_mart(query, SOURCES[query.source], more)
    condition, parameters = slice_of(query)
    groups = _groups(query, parameters, GRAINS)
    source = _source("marts.fct_daily_costs", _asked(query))
    return _summed(query, source, [condition], groups, parameters, more)


def _with_months(query: CostQuery, by_day: Statement) -> Statement | None:
    """Return the statement that takes whole months as such; None where it cannot."""
    if query.source != "daily":
        return None
    parameters: dict[str, Any] = {"currency": query.currency}
    costs = rollups.with_months(query.days, query.grain, parameters, query.final_through)
    if costs is None:
        return None
    conditions = ["costs.billing_currency = :currency", *conditions_of(query.filters, parameters)]
    groups = _groups(query, parameters, GRAINS)
    source = _joined(costs, _asked(query))
    statement = _summed(query, source, conditions, groups, parameters)
    return replace(statement, by_day=by_day)


def _rolled(query: CostQuery, dimension: str | None, table: str) -> Statement:
    """Return the statement of sums by period, of a dimension where the table has several."""
    parameters: dict[str, Any] = {"currency": query.currency}
    kept = rollups.columns_of(dimension)

    def column_of(key: str, column: str) -> str:
        return (
            _column(DIMENSIONS[key], parameters, query.tag) if key == "tag" else kept(key, column)
        )

    conditions = [
        rollups.condition(query.days, query.grain, dimension, parameters, query.final_through),
        "costs.billing_currency = :currency",
        *conditions_of(tuple(each for each in query.filters if each[0] != "tag"), parameters, kept),
        *_of_tag(query, parameters),
    ]
    groups = _groups(query, parameters, rollups.PERIODS, column_of)
    source = _source(table, _asked(query))
    return _summed(query, source, conditions, groups, parameters, day="costs.period_start")


def _asked(query: CostQuery) -> frozenset[str]:
    return frozenset((*query.group_by, *(key for key, _ in query.filters)))


def _source(table: str, asked: frozenset[str]) -> str:
    """Return a table as `costs`, with `accounts` where a provider's name is asked for."""
    return _joined(f"{table} as costs", asked)


def _joined(costs: str, asked: frozenset[str]) -> str:
    if "provider" not in asked:
        return costs
    return f"{costs} left join {ACCOUNTS} on accounts.account_id = costs.account_id"


def _summed(
    query: CostQuery,
    source: str,
    conditions: Sequence[str],
    groups: Sequence[tuple[str, str]],
    parameters: dict[str, Any],
    more: Sequence[str] = (),
    day: str = "costs.usage_date",
) -> Statement:
    cost = f"costs.{METRICS[query.basis].column}"
    is_final = "costs.is_final"
    if query.final_through is not None:
        parameters["final_through"] = query.final_through
        is_final = f"(costs.is_final or {day} <= :final_through)"
    select = [
        *(f"{expression} as {alias}" for alias, expression in groups),
        f"sum({cost}) as cost",
        f"coalesce(sum({cost}) filter (where not {is_final}), 0) as open_cost",
        f"bool_and({is_final}) as is_final",
        *more,
    ]
    # Every name below is the catalogue's, every value is bound.
    sql = f"select {', '.join(select)} from {source} where {' and '.join(conditions)}"  # noqa: S608 - names of the catalogue
    if groups:
        positions = ", ".join(str(number) for number in range(1, len(groups) + 1))
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


def _groups(
    query: CostQuery,
    parameters: dict[str, Any],
    grains: Mapping[Grain, str],
    column_of: ColumnOf | None = None,
) -> list[tuple[str, str]]:
    groups = [("period", grains[query.grain])] if query.grain else []
    for key in query.group_by:
        dimension = DIMENSIONS[key]
        column = column_of(key, dimension.column) if column_of else dimension.column
        parameters[f"missing_{key}"] = dimension.missing
        group = f"coalesce({column}, :missing_{key})"
        if query.named:
            parameters |= {"named": list(query.named), "other": OTHER}
            group = f"case when {group} = any(:named) then {group} else :other end"
        groups.append((key, group))
    return groups


def conditions_of(
    filters: Filters, parameters: dict[str, Any], column_of: ColumnOf | None = None
) -> list[str]:
    """Return the conditions of filters over `costs` and `accounts`; bind their values.

    `column_of` says where a dimension stands, by its key and its column in the catalogue.
    Raises: KeyError for a dimension that the catalogue does not have.
    """
    conditions = []
    for key, values in filters:
        dimension = DIMENSIONS[key]
        column = column_of(key, dimension.column) if column_of else dimension.column
        parameters[f"wanted_{key}"] = list(values)
        condition = f"{column} = any(:wanted_{key})"
        if key == "provider" and dimension.missing not in values:
            # As a list of accounts, which an index knows.
            condition = (
                f"costs.account_id = any(array(select accounts.account_id from {ACCOUNTS}"  # noqa: S608 - names of the catalogue
                f" where {condition}))"
            )
        # Plain where it can be: no index knows what is wrapped in a function.
        conditions.append(
            f"({condition} or {column} is null)" if dimension.missing in values else condition
        )
    return conditions


def compile_members(key: str, currency: str, tag: Tag | None = None) -> Statement:
    """Return the statement that lists a dimension's values, `member`, the dearest first.

    Raises: KeyError for a dimension that the catalogue does not have.
    """
    if DIMENSIONS[key].source != "daily":
        return _members_of_another_mart(DIMENSIONS[key], currency, tag)
    dimension = DIMENSIONS[key]
    parameters = (("currency", currency), ("missing", dimension.missing))
    asked = frozenset({key})
    by_day = Statement(
        _members(dimension.column, _source("marts.fct_daily_costs", asked), ""), parameters
    )
    rolled = rollups.dimension_of(asked)
    if rolled is None:
        return by_day
    values = tuple(sorted((*parameters, ("dimension", rolled))))
    column = rollups.columns_of(rolled)(key, dimension.column)
    # Months are enough to know what there is.
    months = " and costs.dimension = :dimension and costs.grain = 'month'"
    by_account = Statement(_members(column, _source(rollups.TABLE, asked), months), values, by_day)
    if not rollups.is_of_all(asked):
        return by_account
    totals = _members(column, _source(rollups.TOTALS, asked), months)
    return Statement(totals, values, by_day, by_account)


def _members(column: str, source: str, more: str) -> str:
    return (
        f"select coalesce({column}, :missing) as member from {source}"  # noqa: S608 - names of the catalogue
        f" where costs.billing_currency = :currency{more}"
        " group by 1 order by sum(abs(costs.billed_cost)) desc, 1"
    )


TAG_KEYS: Final = Statement(
    # In byte order, so that of several spellings on a charge the same one counts everywhere.
    'select tag_key, array_agg(distinct spelling collate "C" order by spelling collate "C")'
    " as spellings from marts.dim_tag_keys group by 1 order by sum(sets) desc, 1 limit 500",
    (),
)


def _of_another_mart(query: CostQuery, source: str, more: Sequence[str] = ()) -> Statement:
    """Return the statement of costs by a tag, or by who bears them, of a `source` named `costs`.

    Columns out are those of daily costs; a day is final where all of its account's costs are.
    """
    condition, parameters = slice_of(query)

    def column_of(key: str, column: str) -> str:
        return _column(DIMENSIONS[key], parameters, query.tag)

    groups = _groups(query, parameters, GRAINS, column_of)
    return _summed(query, source, [condition], groups, parameters, more)


def _members_of_another_mart(dimension: Dimension, currency: str, tag: Tag | None) -> Statement:
    parameters: dict[str, Any] = {"currency": currency, "missing": dimension.missing}
    column = _column(dimension, parameters, tag)
    values = tuple(sorted(parameters.items()))
    by_day = Statement(_members(column, MEMBERS[dimension.source], ""), values)
    table = rollups.OF_BEARERS if dimension.source == "allocated" else rollups.OF_TAGS
    # Months are enough to know what there is.
    months = _members(column, f"{table} as costs", " and costs.grain = 'month'")
    return Statement(months, values, by_day)


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
