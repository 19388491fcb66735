"""Costs: any days, grouped, ranked, compared; and why they changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from app.assistant.tools.asking import Asking, Row, Standing, reach, standing
from app.assistant.tools.contract import Parameter, ToolResult
from app.assistant.tools.names import DimensionName, MetricName
from app.assistant.tools.slices import Filter, days_of, filters_of, spelled_days, tag_of, told
from app.queries import drivers, listings, periods, tables
from app.queries.catalog import METRICS, Basis, Grain
from app.queries.compiler import CostQuery, compile_costs
from app.queries.tables import GroupCost
from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError

Comparison = Literal["previous_period", "last_year", "none"]
_COMPARISONS: Final[dict[str, str]] = {
    "previous_period": "Previous period",
    "last_year": "Last year",
    "none": "None",
}
Metrics = Annotated[
    tuple[MetricName, ...],
    Field(min_length=1, max_length=4, description="Costs to tell; the first one ranks"),
]
Start = Annotated[
    date | None, Field(description="First UTC day; without start and end: this month")
]
End = Annotated[date | None, Field(description="Day after the last, exclusive")]
GroupBy = Annotated[
    tuple[DimensionName, ...], Field(max_length=3, description="Dimensions to group by")
]
Filters = Annotated[tuple[Filter, ...], Field(max_length=11, description="All of them must hold")]
TagKey = Annotated[
    str | None, Field(description="Which tag the dimension `tag` is", max_length=200)
]
Currency = Annotated[
    str | None, Field(description="ISO 4217; without: each currency apart", max_length=3)
]
Limit = Annotated[int, Field(ge=1, le=200, description="Most rows to show")]
# A dict's key for all of a row's groups at once.
_GROUP: Final = "\0group"
_PLACES: Final = Decimal("0.01")
_WIDE: Final = Context(prec=200)
EACH: Final = "billing_currency"


def get_costs(
    metrics: Metrics = ("billed",),
    start: Start = None,
    end: End = None,
    group_by: GroupBy = (),
    grain: Grain | None = None,
    filters: Filters = (),
    tag_key: TagKey = None,
    compare_to: Comparison = "none",
    currency: Currency = None,
    order: Literal["cost", "name", "period", "change"] | None = None,
    limit: Limit = 50,
) -> ToolResult:
    """Return costs of UTC days, grouped by dimensions and by day, week or month.

    Each row has its rank and its share of the whole (share_pct); with compare_to also the cost
    before, the change and the change in percent. Totals are over all rows, also those not shown.
    Currencies are never added up: rows and totals name theirs.
    """
    asking = Asking()
    currencies = asking.currencies(currency)
    keys = tuple(dict.fromkeys(group_by))
    is_tagged = "tag" in keys or any(each.dimension == "tag" for each in filters)
    tag = tag_of(asking, tag_key, is_asked=is_tagged)
    wanted = filters_of(asking, filters, currencies, tag)
    known = reach(asking, wanted)
    days = days_of(start, end, known.through)
    compared = periods.compared(days, _COMPARISONS[compare_to])
    if grain and compared:
        raise ConfigError("Periods of a grain are not compared.", hint="Leave grain or compare_to.")
    order = order or ("period" if grain else "cost")
    _check_order(order, grain, compared)
    bases: list[Basis] = list(dict.fromkeys(metrics))  # type: ignore[arg-type] # of the catalogue
    rows: list[Row] = []
    totals: dict[str, Decimal] = {}
    unit: dict[str, str] = {}
    told_open: list[str] = []
    for each in currencies:
        query = CostQuery(
            days,
            each,
            bases[0],
            keys,
            grain,
            wanted,
            tag,
            final_through=known.final_through,
        )
        part = _costs(asking, query, bases, compared)
        rows += part.rows
        totals |= part.totals
        unit |= dict.fromkeys(part.totals, each)
        if part.open_cost:
            told_open.append(
                f"{money.spelled(part.open_cost, each)} of it is not final and may change."
            )
    for name in [name for name in unit if name.startswith("change_pct")]:
        unit[name] = "%"
    rows = _ordered(rows, order, METRICS[bases[0]].column)
    unit |= _units(rows, bases, currencies)
    now = standing(asking, known, days, currencies)
    notes = [*told_open, *_of_comparison(compared, known)]
    if not rows:
        notes.insert(0, "No costs match: this is no data, not a cost of zero.")
    params: dict[str, Parameter] = {
        "metrics": [str(each) for each in bases],
        **spelled_days(days),
        "group_by": [*keys],
        "grain": grain,
        "filters": told(wanted),
        "tag_key": tag.key if tag else None,
        "compare_to": compare_to,
        **({"compared": str(compared)} if compared else {}),
        "currency": currency and currencies[0],
        "order": order,
        "limit": limit,
    }
    return asking.result(
        "get_costs",
        rows[:limit],
        params,
        row_count=len(rows),
        totals=totals,
        unit=unit,
        basis=", ".join(bases),
        standing=now,
        notes=notes,
    )


def explain_change(
    start: Start = None,
    end: End = None,
    compare_start: Annotated[date | None, Field(description="First day before")] = None,
    compare_end: Annotated[date | None, Field(description="Day after the last before")] = None,
    metric: MetricName = "billed",
    filters: Filters = (),
    by_service: Annotated[bool, Field(description="Tell drivers of each service apart")] = False,
    currency: Currency = None,
    limit: Limit = 50,
) -> ToolResult:
    """Return why costs changed between two periods: contributions that add up to the change.

    Drivers: new, gone, usage, price, commitment, credit, tax, adjustment, or unexplained with the
    reason. Without compare_start and compare_end: against the period before.
    """
    asking = Asking()
    asking.by_account_only("Drivers")
    currencies = asking.currencies(currency)
    wanted = filters_of(asking, filters, currencies, None)
    known = reach(asking, wanted)
    days = days_of(start, end, known.through)
    if compare_start is None and compare_end is None:
        compared = periods.compared(days, "Previous period")
    else:
        compared = days_of(compare_start, compare_end, known.through)
    assert compared is not None  # noqa: S101 - only "None" compares with nothing
    basis: Basis = metric  # type: ignore[assignment] # of the catalogue
    rows: list[Row] = []
    totals: dict[str, Decimal] = {}
    unit: dict[str, str] = {}
    notes: list[str] = []
    for each in currencies:
        query = CostQuery(days, each, basis, filters=wanted)
        if not drivers.can_explain(query):
            raise ConfigError(
                "Drivers are told of whole charges that have a service, a region and an account.",
                hint="Filter by provider, account, category, service, sub_account, region or"
                " charge, and by no value for missing ones.",
            )
        before, after = (
            tables.total(asking.ask(compile_costs(replace(query, days=span))))
            for span in (compared, days)
        )
        statement = drivers.compile_drivers(
            query, compared, asking.look_up(listings.ACCOUNTS), by_service=by_service
        )
        found = [row for row in asking.ask(statement) if row["delta"]]
        change = money.subtract(after, before)
        left = money.subtract(change, money.total(row["delta"] for row in found))
        if left:
            notes.append(
                f"Contributions miss the change by {money.spelled(left, each)}: please report this."
            )
        rows += [_driver(row, rank, each, change) for rank, row in enumerate(found, start=1)]
        mine = {f"before {each}": before, f"after {each}": after, f"change_abs {each}": change}
        totals |= mine
        unit |= dict.fromkeys(mine, each)
    unit |= {"change_abs": currencies[0] if len(currencies) == 1 else EACH, "share_pct": "%"}
    params: dict[str, Parameter] = {
        "metric": basis,
        **spelled_days(days),
        "compare_start": str(compared.first),
        "compare_end": str(compared.end),
        "filters": told(wanted),
        "by_service": by_service,
        "currency": currency and currencies[0],
        "limit": limit,
    }
    return asking.result(
        "explain_change",
        rows[:limit],
        params,
        row_count=len(rows),
        totals=totals,
        unit=unit,
        basis=basis,
        standing=standing(asking, known, days, currencies),
        notes=[*notes, *_of_comparison(compared, known)],
    )


class _Part:
    """The rows of one currency, their totals, and what of them is not final."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.totals: dict[str, Decimal] = {}
        self.open_cost = money.ZERO


def _costs(
    asking: Asking, query: CostQuery, bases: list[Basis], compared: DayRange | None
) -> _Part:
    part = _Part()
    names = (*(("period",) if query.grain else ()), *query.group_by)
    now = _keyed(asking.ask(compile_costs(query)), names)
    before = None
    if compared is not None:
        before = _keyed(asking.ask(compile_costs(replace(query, days=compared))), names) or None
    if not now and not before:
        return part
    others = {
        basis: _keyed(asking.ask(compile_costs(replace(query, basis=basis))), names)
        for basis in bases[1:]
    }
    of_other = {
        METRICS[basis].column: {row[_GROUP]: row["cost"] for row in found}
        for basis, found in others.items()
    }
    is_final = {row[_GROUP]: row["is_final"] for row in now}
    groups = tables.compare(_GROUP, now, before)
    column, currency = METRICS[bases[0]].column, query.currency
    for rank, each in enumerate(groups, start=1):
        part.rows.append(
            {
                "rank": rank,
                **dict(zip(names, each.group, strict=True)),
                "billing_currency": currency,
                column: each.cost,
                **{name: costs.get(each.group) for name, costs in of_other.items()},
                "share_pct": _percent(each.share_percent),
                **(_changes(each) if compared is not None else {}),
                "is_final": is_final.get(each.group),
            }
        )
    whole = tables.total(now)
    part.totals[f"{column} {currency}"] = whole
    for basis, found in others.items():
        part.totals[f"{METRICS[basis].column} {currency}"] = tables.total(found)
    if before is not None:
        former = tables.total(before)
        change, percent = tables.change(whole, former)
        part.totals[f"previous_cost {currency}"] = former
        part.totals[f"change_abs {currency}"] = change or money.ZERO
        if percent is not None:
            part.totals[f"change_pct {currency}"] = _percent(percent) or money.ZERO
    part.open_cost = tables.open_cost(now)
    if part.open_cost:
        part.totals[f"open_cost {currency}"] = part.open_cost
    return part


def _keyed(rows: list[Row], names: tuple[str, ...]) -> list[Row]:
    # Ungrouped there is always a row, of nothing where nothing matches.
    return [
        {**row, _GROUP: tuple(row[name] for name in names)}
        for row in rows
        if row["cost"] is not None
    ]


def _changes(group: GroupCost) -> Row:
    return {
        "previous_cost": group.previous,
        "change_abs": group.change,
        "change_pct": _percent(group.change_percent),
    }


def _percent(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(_PLACES, ROUND_HALF_UP, _WIDE)


def _driver(row: Row, rank: int, currency: str, change: Decimal) -> Row:
    return {
        "rank": rank,
        **({"service": row["service"]} if "service" in row else {}),
        "driver": row["driver"],
        "meaning": drivers.DRIVERS.get(row["driver"], row["driver"]),
        "billing_currency": currency,
        "change_abs": row["delta"],
        "share_pct": _percent(row["delta"] * 100 / change) if change else None,
    }


def _check_order(order: str, grain: Grain | None, compared: DayRange | None) -> None:
    if order == "period" and not grain:
        raise ConfigError(
            "Rows have no period to order by.", hint="Give a grain, or another order."
        )
    if order == "change" and compared is None:
        raise ConfigError("Rows have no change to order by.", hint="Give compare_to as well.")


def _ordered(rows: list[Row], order: str, column: str) -> list[Row]:
    """Return rows in an order; of several currencies each by itself, the largest first."""
    currencies = list(dict.fromkeys(row["billing_currency"] for row in rows))

    def key(row: Row) -> tuple[Any, ...]:
        place = currencies.index(row["billing_currency"])
        if order == "period":
            return place, row["period"], -row[column]
        if order == "name":
            return place, *(str(row[name]) for name in row if name not in _FIGURES)
        if order == "change":
            return place, -abs(row["change_abs"] or money.ZERO), row["rank"]
        return place, row["rank"]

    return sorted(rows, key=key)


_FIGURES: Final = frozenset(
    {
        *(metric.column for metric in METRICS.values()),
        *("rank", "billing_currency", "share_pct", "is_final"),
        *("previous_cost", "change_abs", "change_pct"),
    }
)


def _units(rows: list[Row], bases: list[Basis], currencies: list[str]) -> dict[str, str]:
    money_unit = currencies[0] if len(currencies) == 1 else EACH
    columns = [METRICS[basis].column for basis in bases]
    unit = dict.fromkeys([*columns, "previous_cost", "change_abs"], money_unit)
    unit |= {"share_pct": "%", "change_pct": "%"}
    return {name: each for name, each in unit.items() if rows and name in rows[0]}


def _of_comparison(compared: DayRange | None, known: Standing) -> list[str]:
    if compared is None:
        return []
    there = known.covered(compared)
    if there == len(compared):
        return []
    return [f"Of the {len(compared)} days compared with, {compared}, {there} have data."]
