"""Cost Management's query on invented lines: it checks what Azure checks, groups and pages.

Shapes follow Microsoft's published examples of Query - Usage: columns in no promised order, days
as whole numbers, amounts as JSON numbers, small ones with an exponent.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from astraeus_pipeline.sandbox.azure_lines import Line

_DIMENSIONS: Final = {
    "ResourceId": lambda line: line.resource_id,
    "ResourceLocation": lambda line: line.location,
    "ResourceGuid": lambda line: line.meter_id,
    "ServiceName": lambda line: line.service,
    "MeterCategory": lambda line: line.service,
    "MeterSubcategory": lambda line: line.subcategory,
    "Meter": lambda line: line.meter,
    "UnitOfMeasure": lambda line: line.unit,
    "ChargeType": lambda line: line.charge_type,
    "PricingModel": lambda line: line.pricing_model,
    "SubscriptionId": lambda line: line.subscription,
}
# Enterprise agreements do not group by these.
_NOT_IN_EA: Final = frozenset({"UnitOfMeasure"})
_AGGREGATIONS: Final = frozenset(
    {"UsageQuantity", "PreTaxCost", "PreTaxCostUSD", "Cost", "CostUSD"}
)


class Invalid(ValueError):
    """A query that Azure would answer with 400 BadRequest."""


class Table:
    """The whole answer to one query, before it is cut into pages."""

    def __init__(self, columns: list[dict[str, str]], rows: list[list[Any]]) -> None:
        self.columns, self.rows = columns, rows


def period(definition: Mapping[str, Any]) -> tuple[date, date]:
    """Return the first and last day that a query asks about. Raises: Invalid."""
    if definition.get("timeframe") != "Custom":
        raise Invalid("Invalid query definition: only a custom timeframe is served here")
    try:
        asked = definition["timePeriod"]
        first, last = (date.fromisoformat(asked[name][:10]) for name in ("from", "to"))
    except (KeyError, ValueError) as error:
        raise Invalid(f"Invalid query definition: timePeriod: {error}") from None
    if last < first or (last - first).days > 366:
        raise Invalid("Invalid query definition: the time period is not within one year")
    return first, last


def answer(
    definition: Mapping[str, Any], lines: Iterable[Line], *, is_enterprise: bool = False
) -> Table:
    """Group the lines as a query asks. Raises: Invalid."""
    cost_type = definition.get("type")
    if cost_type not in ("ActualCost", "AmortizedCost"):
        raise Invalid(f"Invalid query definition: type {cost_type!r}")
    dataset = definition.get("dataset") or {}
    is_daily = dataset.get("granularity") == "Daily"
    names = _groupings(dataset, is_enterprise=is_enterprise)
    aggregated = _aggregations(dataset)
    groups: dict[tuple[Any, ...], dict[str, Decimal]] = {}
    for line in lines:
        cost = line.actual if cost_type == "ActualCost" else line.amortized
        if cost is None or not _matches(line, dataset.get("filter")):
            continue
        day = int(f"{line.day:%Y%m%d}") if is_daily else None
        key = (day, *(_DIMENSIONS[name](line) for name in names), line.currency)
        sums = groups.setdefault(key, dict.fromkeys(aggregated, Decimal(0)))
        for name in aggregated:
            sums[name] += line.quantity if name == "UsageQuantity" else cost
    header = [*aggregated, *(["UsageDate"] if is_daily else []), *names, "Currency"]
    rows = [
        [*sums.values(), *([day] if is_daily else []), *values]
        for (day, *values), sums in sorted(groups.items(), key=lambda item: str(item[0]))
    ]
    return _shuffled(header, rows, json.dumps(definition, sort_keys=True))


def page(table: Table, offset: int, size: int, next_link: str | None, identity: str) -> str:
    """Write one page as JSON, amounts as bare numbers."""
    rows = ",".join(
        f"[{','.join(_cell(cell) for cell in row)}]" for row in table.rows[offset : offset + size]
    )
    return (
        f'{{"id":{json.dumps(identity)},"name":{json.dumps(identity.rpartition("/")[2])},'
        f'"type":"Microsoft.CostManagement/query","location":null,"sku":null,"eTag":null,'
        f'"properties":{{"nextLink":{json.dumps(next_link)},'
        f'"columns":{json.dumps(table.columns)},"rows":[{rows}]}}}}'
    )


def _groupings(dataset: Mapping[str, Any], *, is_enterprise: bool) -> list[str]:
    names = [each["name"] for each in dataset.get("grouping") or ()]
    known = set(_DIMENSIONS) - (_NOT_IN_EA if is_enterprise else set())
    for name in names:
        if name not in known:
            listed = ",".join(f"'{each}'" for each in sorted(known))
            raise Invalid(
                f"Invalid query definition: Invalid dataset grouping: '{name}'; valid values:"
                f" {listed},''."
            )
    if len(names) > 2:
        raise Invalid("Invalid query definition: Dataset grouping can have at most 2 items")
    return names


def _aggregations(dataset: Mapping[str, Any]) -> list[str]:
    names = [each["name"] for each in (dataset.get("aggregation") or {}).values()]
    if not 1 <= len(names) <= 2 or not set(names) <= _AGGREGATIONS:
        raise Invalid(f"Invalid query definition: Invalid dataset aggregation: {names}")
    return names


def _matches(line: Line, condition: Mapping[str, Any] | None) -> bool:
    if not condition:
        return True
    if "and" in condition:
        if len(condition["and"]) < 2:
            raise Invalid("Invalid query definition: 'and' needs two expressions")
        return all(_matches(line, each) for each in condition["and"])
    wanted = condition["dimensions"]
    if wanted.get("operator") != "In" or wanted.get("name") not in _DIMENSIONS:
        raise Invalid(f"Invalid query definition: Invalid dataset filter: {wanted}")
    return bool(_DIMENSIONS[wanted["name"]](line) in wanted["values"])


def _shuffled(header: list[str], rows: list[list[Any]], seed: str) -> Table:
    order = list(range(len(header)))
    random.Random(seed).shuffle(order)  # noqa: S311 - play
    numbers = _AGGREGATIONS | {"UsageDate"}
    columns = [
        {"name": header[at], "type": "Number" if header[at] in numbers else "String"}
        for at in order
    ]
    return Table(columns, [[row[at] for at in order] for row in rows])


def _cell(value: Any) -> str:
    if not isinstance(value, Decimal):
        return json.dumps(value)
    plain = value.normalize()
    if plain and abs(plain) < Decimal("0.0001"):
        return f"{plain:E}"
    return f"{plain:f}"
