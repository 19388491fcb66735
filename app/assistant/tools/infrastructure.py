"""What there is to ask about, and what stands beside costs: resources, freshness, findings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import Field

from app.assistant.tools import names
from app.assistant.tools.asking import Asking, Row, reach, standing
from app.assistant.tools.contract import Parameter, ToolResult
from app.assistant.tools.costs import EACH, Currency, End, Limit, Start, TagKey
from app.assistant.tools.names import MetricName
from app.assistant.tools.slices import days_of, members_of, spelled_days, tag_of
from app.queries import accounts, anomalies, breaches, budgets, resources, savings
from app.queries.catalog import DIMENSIONS, METRICS, Basis
from app.queries.compiler import TAG_KEYS
from app.queries.resources import FACETS, ResourceQuery
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError

Accounts = Annotated[
    list[str] | None, Field(max_length=100, description="Ids of accounts; without: all of them")
]
Texts = Annotated[tuple[str, ...], Field(max_length=20)]
_STATS_DAYS: Final = 45
_ALERT_DAYS: Final = 7

_RESOURCE: Final = (
    "account_id",
    "provider_name",
    "resource_id",
    "resource_name",
    "resource_type",
    "region_id",
    "state",
    "instance_type",
    "size_gb",
    "owner",
    "is_active",
    "is_idle",
    "is_new",
    "created_at",
    "first_seen",
    "last_seen",
    "tags",
    "cost",
)
_BUDGET: Final = {
    "budget_amount": EACH,
    "actual_cost": EACH,
    "used_percent": "%",
    "remaining_cost": EACH,
    "days_left": "days",
    "expected_percent": "%",
    "ahead_points": "percentage points",
    "forecast_cost": EACH,
    "forecast_over": EACH,
    "lower_cost": EACH,
    "upper_cost": EACH,
    "forecast_percent": "%",
    "missing_days": "days",
    "partial_days": "days",
    "estimated_days": "days",
}
_SAVING: Final = (
    "recommendation_id",
    "kind",
    "provider",
    "account_id",
    "service_name",
    "resource_id",
    "resource_name",
    "action",
    "monthly_cost",
    "monthly_saving",
    "billing_currency",
    "confidence",
    "counts_in_total",
    "first_seen",
    "state",
    "realised_saving",
)
_ANOMALY: Final = {
    "flagged_days": "days",
    "peak_cost": EACH,
    "expected_cost": EACH,
    "lower_cost": EACH,
    "upper_cost": EACH,
    "excess_cost": EACH,
}


def list_metrics() -> ToolResult:
    """List what costs can be asked for (metrics) and grouped and filtered by (dimensions)."""
    rows: list[Row] = [
        {"kind": "metric", "name": each.key, "label": each.label, "description": each.description}
        for each in METRICS.values()
    ]
    rows += [
        {
            "kind": "dimension",
            "name": each.key,
            "label": each.label,
            "description": f"Where a cost has none: {each.missing}",
        }
        for each in DIMENSIONS.values()
    ]
    return Asking().result("list_metrics", rows, {})


def describe_metric(
    name: Annotated[str, Field(description="A metric or dimension of list_metrics")],
    tag_key: TagKey = None,
    contains: Annotated[str, Field(description="Only values with this text", max_length=80)] = "",
    limit: Limit = 50,
) -> ToolResult:
    """Describe a metric; of a dimension list the values that costs have, the dearest first.

    The dimension `tag` lists the tag keys, and with tag_key that tag's values.
    """
    asking = Asking()
    try:
        key = names.known("metric or dimension", name, [*METRICS, *DIMENSIONS])
    except ValueError as error:
        raise ConfigError(str(error)) from None
    params: dict[str, Parameter] = {
        "name": key,
        "tag_key": tag_key,
        "contains": contains,
        "limit": limit,
    }
    if key in METRICS:
        metric = METRICS[key]
        rows: list[Row] = [
            {
                "name": key,
                "label": metric.label,
                "description": metric.description,
                "column": f"marts.fct_daily_costs.{metric.column}",
            }
        ]
        return asking.result("describe_metric", rows, params)
    if key == "tag" and tag_key is None:
        values = [row["tag_key"] for row in asking.look_up(TAG_KEYS)]
    else:
        tag = tag_of(asking, tag_key, is_asked=False) if key == "tag" else None
        values = members_of(asking, key, asking.currencies(None), tag)
    found = [each for each in values if contains.casefold() in each.casefold()]
    rows = [{"rank": rank, key: each} for rank, each in enumerate(found[:limit], start=1)]
    return asking.result("describe_metric", rows, params, row_count=len(found))


def get_resources(
    status: Annotated[str, Field(description=", ".join(resources.STATUSES))] = "Active",
    providers: Texts = (),
    account_ids: Texts = (),
    types: Texts = (),
    regions: Texts = (),
    tag_keys: Annotated[
        tuple[str, ...], Field(max_length=20, description="All must be there")
    ] = (),
    words: Annotated[
        tuple[str, ...], Field(max_length=10, description="All in name, id, type, size or tags")
    ] = (),
    start: Start = None,
    end: End = None,
    metric: MetricName = "billed",
    currency: Currency = None,
    order: Annotated[str, Field(description=", ".join(resources.ORDERS))] = "Cost",
    limit: Limit = 50,
) -> ToolResult:
    """List cloud resources of the inventories with their tags and, where a bill names them, cost.

    Without start and end the cost is of the last 28 days, as on the page Resources. Totals:
    resources found, their cost.
    """
    asking = Asking()
    asking.by_account_only("Resources")
    there = asking.currencies(currency)
    known = reach(asking)
    asked = (
        ("provider", providers),
        ("account", account_ids),
        ("type", types),
        ("region", regions),
    )
    basis: Basis = metric  # type: ignore[assignment] # of the catalogue
    days, is_kept = _resource_days(asking, start, end, known.through)
    query = ResourceQuery(
        days,
        there[0] if there else "USD",
        basis,
        _named("status", status, [*resources.STATUSES]),
        tuple((key, _facet(asking, key, values)) for key, values in asked if values),
        tuple(tag_keys),
        tuple(words),
        _named("order", order, [*resources.ORDERS]),
        is_kept,
    )
    rows = asking.ask(resources.compile_first(query, limit))
    count, cost = (rows[0]["found"], rows[0]["found_cost"]) if rows else (0, None)
    totals = {"resources": Decimal(count)}
    unit = {"cost": query.currency, "size_gb": "GB", "resources": "resources"}
    if cost is not None:
        totals[f"cost {query.currency}"] = cost
        unit[f"cost {query.currency}"] = query.currency
    notes = ["A resource without a cost is one that no bill names: that is unknown, not zero."]
    if len(there) > 1:
        notes.append(f"Costs are those in {query.currency}; there are some in {there[1:]} too.")
    return asking.result(
        "get_resources",
        [{name: row[name] for name in _RESOURCE} for row in rows],
        {
            "status": query.status,
            **{key: [*values] for key, values in query.filters},
            "tag_keys": [*tag_keys],
            "words": [*words],
            **spelled_days(query.days),
            "metric": basis,
            "currency": query.currency,
            "order": query.order,
            "limit": limit,
        },
        row_count=count,
        totals=totals,
        unit=unit,
        basis=basis,
        standing=standing(asking, known, query.days, [query.currency]),
        notes=notes,
    )


def _resource_days(
    asking: Asking, start: date | None, end: date | None, through: date | None
) -> tuple[DayRange, bool]:
    """Return the days of the cost, and whether a mart has its sums, as it has of the last 28."""
    kept = asking.look_up(resources.WINDOWS)
    # The other windows have the costs of some accounts alone, of those whose data end with them.
    window = resources.window(kept, through) if kept and through else None
    if start is None and end is None and window is not None:
        return window, True
    days = days_of(start, end, through)
    return days, days == window


def get_stats(start: Start = None, end: End = None, limit: Limit = 200) -> ToolResult:
    """Return how fresh the data is: a row per account and dataset.

    Of the days asked about (without start and end: 45 up to today) the last one delivered, settled
    and final, and how many are missing, partial, estimated, restated or held back.
    """
    asking = Asking()
    asking.by_account_only("Deliveries")
    known = reach(asking)
    if start is None and end is None:
        # Up to today: an account may be ahead of the others, and inventories of bills.
        today = datetime.now(UTC).date()
        days = DayRange(today - timedelta(days=_STATS_DAYS - 1), today)
    else:
        days = days_of(start, end, known.through)
    rows = asking.ask(accounts.compile_freshness(days))
    counted = [name for name in (rows[0] if rows else ()) if name.endswith("days")]
    return asking.result(
        "get_stats",
        rows[:limit],
        {**spelled_days(days), "limit": limit},
        row_count=len(rows),
        unit=dict.fromkeys(counted, "days"),
        standing=standing(asking, known, days, asking.currencies(None)),
    )


def get_budgets(
    state: Annotated[str | None, Field(description=", ".join(budgets.STATES))] = None,
    limit: Limit = 50,
) -> ToolResult:
    """Return how each budget's newest period stands: actual, forecast, pace; the worst first."""
    asking = Asking()
    wanted = None if state is None else _named("state", state, budgets.STATES)
    rows = [
        row for row in asking.ask(budgets.STANDINGS) if wanted is None or row["state"] == wanted
    ]
    columns = ("budget_id", "accounts", "other_currencies")
    return asking.result(
        "get_budgets",
        rows[:limit],
        {"state": wanted, "limit": limit},
        row_count=len(rows),
        unit={**_BUDGET, **dict.fromkeys(columns[1:], "count")},
        standing=reach(asking),
        notes=[] if rows else ["There is no budget that you may see in this state."],
    )


def get_anomalies(
    state: Annotated[str, Field(description=", ".join(anomalies.STATES))] = "Open",
    account_ids: Accounts = None,
    limit: Limit = 50,
) -> ToolResult:
    """Return unexpected costs with the range that was expected, the newest first.

    `excess_cost` of scope account overlaps that of its services: the two are never summed.
    """
    asking = Asking()
    wanted = _named("state", state, anomalies.STATES)
    picked = None if account_ids is None else _facet_of_costs(asking, account_ids)
    rows = asking.ask(anomalies.compile_list(wanted, picked))
    notes = [f"Only the newest {anomalies.ROWS} were looked at."]
    return asking.result(
        "get_anomalies",
        rows[:limit],
        {"state": wanted, "account_ids": picked, "limit": limit},
        row_count=len(rows),
        unit=_ANOMALY,
        standing=reach(asking),
        notes=notes if len(rows) == anomalies.ROWS else [],
    )


def get_savings(
    state: Annotated[str, Field(description=", ".join(savings.STATES))] = "Open",
    kinds: Texts = (),
    account_ids: Accounts = None,
    limit: Limit = 50,
) -> ToolResult:
    """Return what could cost less a month, the largest saving first; estimates, with confidence.

    Totals per currency are of everything that is open, whatever kinds are listed, and leave out
    findings that overlap others (counts_in_total). A finding without a saving is not priced.
    """
    asking = Asking()
    asking.by_account_only("Savings")
    wanted = _named("state", state, savings.STATES)
    there = [row["kind"] for row in asking.look_up(savings.KINDS)]
    chosen = [_named("kind", each, there) for each in kinds]
    picked = None if account_ids is None else _facet_of_costs(asking, account_ids)
    rows = asking.ask(savings.compile_list(wanted, chosen, picked))
    totals: dict[str, Decimal] = {}
    unit = dict.fromkeys(("monthly_cost", "monthly_saving", "realised_saving"), EACH)
    for row in asking.ask(savings.compile_totals(picked)):
        for name, column in (("monthly_saving", "saving"), ("realised_saving", "realised")):
            if row["currency"] is not None and row[column] is not None:
                totals[f"{name} {row['currency']}"] = row[column]
                unit[f"{name} {row['currency']}"] = row["currency"]
    notes = [f"Only the first {savings.ROWS} were looked at."]
    return asking.result(
        "get_savings",
        [{name: row[name] for name in _SAVING} for row in rows[:limit]],
        {"state": wanted, "kinds": chosen, "account_ids": picked, "limit": limit},
        row_count=len(rows),
        totals=totals,
        unit=unit,
        standing=reach(asking),
        notes=notes if len(rows) == savings.ROWS else [],
    )


def get_alerts(
    since: Annotated[date | None, Field(description="First day; without: a week ago")] = None,
    severity: Literal["critical", "warning", "info"] | None = None,
    limit: Limit = 50,
) -> ToolResult:
    """Return thresholds of alert rules that were crossed, the newest first.

    `observed_value` and `threshold_value` are in `unit`: a currency, days or rows.
    """
    asking = Asking()
    known = reach(asking)
    first = since or ((known.through or date(1970, 1, 1)) - timedelta(days=_ALERT_DAYS))
    rows = asking.ask(breaches.compile_list(first, severity, limit + 1))
    for row in rows:
        row["unit"] = row["billing_currency"] if row["unit"] == "currency" else row["unit"]
    return asking.result(
        "get_alerts",
        rows[:limit],
        {"since": str(first), "severity": severity, "limit": limit},
        row_count=len(rows),
        unit={"observed_value": "unit", "threshold_value": "unit"},
        standing=known,
        notes=[f"There are more than {limit}."] if len(rows) > limit else [],
    )


def _named(kind: str, name: str, allowed: Sequence[str]) -> str:
    try:
        return names.known(kind, name, allowed)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _facet(asking: Asking, key: str, values: Sequence[str]) -> tuple[str, ...]:
    members = [row["member"] for row in asking.look_up(resources.compile_members(key))]
    return tuple(_named(FACETS[key].label.lower(), each, members) for each in values)


def _facet_of_costs(asking: Asking, values: Sequence[str]) -> list[str]:
    members = members_of(asking, "account", asking.currencies(None), None)
    return [_named("account", each, members) for each in values]
