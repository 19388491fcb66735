"""Cost Management Query: the questions that tell a subscription's daily costs, and their pages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Fetched, Landing
from astraeus_pipeline.contracts.typed_rows import exact
from astraeus_pipeline.errors import ConfigError, NotObtainable, PayloadError, PermanentError
from astraeus_pipeline.providers.azure.client import AzureClients, NextLinks
from astraeus_pipeline.providers.azure.pacing import Pacer, pacer_of

API_VERSION: Final = "2025-03-01"
# What a query's type is called in raw.
COST_TYPES: Final = {"ActualCost": "actual_cost", "AmortizedCost": "amortized_cost"}
COST, QUANTITY = "Cost", "UsageQuantity"
METER, RESOURCE = "ResourceGuid", "ResourceId"
# What a meter or a resource is called: each has one value of it, so each takes one short question
# over the whole range instead of a place among the two groupings of the daily one.
NAMES: Final = (
    (METER, "ServiceName"),
    (METER, "MeterSubcategory"),
    (METER, "Meter"),
    (METER, "UnitOfMeasure"),
    (RESOURCE, "ResourceLocation"),
)
# Enterprise agreements do not know this one, and say so with an error.
_OPTIONAL: Final = "UnitOfMeasure"
# Costs come as doubles; sums of them agree to this many decimals.
_SCALE: Final = 10
_MONTHS_BACK: Final = 13

Page = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """One query: what it is for, its type, its filter by dimension, its at most two groupings."""

    purpose: str
    type: str
    filters: dict[str, str] = field(default_factory=dict)
    group_by: tuple[str, ...] = ()
    is_daily: bool = True

    def definition(self, days: DayRange) -> dict[str, Any]:
        """Return the body of the query; the last day is included."""
        aggregation = {"totalCost": {"name": COST, "function": "Sum"}}
        if METER in self.group_by and self.is_daily:  # elsewhere it would add up different units
            aggregation["totalQuantity"] = {"name": QUANTITY, "function": "Sum"}
        dataset: dict[str, Any] = {
            "granularity": "Daily" if self.is_daily else "None",
            "aggregation": aggregation,
        }
        if self.group_by:
            dataset["grouping"] = [{"type": "Dimension", "name": name} for name in self.group_by]
        conditions: list[dict[str, Any]] = [
            {"dimensions": {"name": name, "operator": "In", "values": [value]}}
            for name, value in self.filters.items()
        ]
        if conditions:
            dataset["filter"] = conditions[0] if len(conditions) == 1 else {"and": conditions}
        return {
            "type": self.type,
            "timeframe": "Custom",
            "timePeriod": {
                "from": f"{days.first}T00:00:00+00:00",
                "to": f"{days.last}T23:59:59+00:00",
            },
            "dataset": dataset,
        }


class CostQuery:
    """Asks about the days of a subscription or another scope, all pages of a question, counting."""

    def __init__(
        self,
        clients: AzureClients,
        days: DayRange,
        pacer: Pacer | None = None,
        scope: str | None = None,
    ) -> None:
        self._clients, self._days = clients, days
        self._scope = scope or f"/subscriptions/{clients.config.subscription_id}"
        config = clients.config
        self._pacer = pacer or pacer_of(str(config.tenant_id), config.units_per_minute)
        self._units = len(list(days.months()))
        self.requests = 0

    def pages(self, question: Question) -> Iterator[Page]:
        """Yield the pages of a question.

        Shape: {subscription, purpose, type, filters, group_by, columns, rows}.

        Raises: PayloadError for a page without columns and rows, or one that comes twice; what
        `AzureClients.ask` raises.
        """
        attempt = f"Cost Management {question.type} {question.purpose} for {self._days}"
        links = NextLinks(self._clients.account, attempt)
        url: str | None = (
            f"{self._clients.base_url}{self._scope.rstrip('/')}/providers/Microsoft.CostManagement/query"
            f"?api-version={API_VERSION}"
        )
        while url:
            self._pacer.take(self._units)
            self.requests += 1
            answer = self._clients.ask("POST", url, attempt, question.definition(self._days))
            properties: dict[str, Any] = answer.get("properties") or {}
            if not _is_table(properties):
                raise PayloadError(
                    f"Azure account {self._clients.account.slug}: {attempt}: the answer has no"
                    " columns and rows.",
                    hint="Nothing was loaded; fetch the days again.",
                )
            yield {
                "subscription": self._clients.config.subscription_id,
                "purpose": question.purpose,
                "type": question.type,
                "filters": question.filters,
                "group_by": list(question.group_by),
                "columns": [column["name"] for column in properties["columns"]],
                "rows": properties["rows"],
            }
            url = links.follow(properties.get("nextLink"))


def fetch_costs(
    clients: AzureClients, days: DayRange, landing: Landing, pacer: Pacer | None = None
) -> Fetched:
    """Ask for the days by every dimension, and without any for the control totals.

    A query groups by two dimensions at most. So resource and meter are asked for within each
    charge type and pricing model that has costs, and what a meter or a resource is called is asked
    for apart: a meter belongs to one service and has one unit, a resource lies in one place.
    """
    _refuse_unobtainable_days(clients, days)
    query = CostQuery(clients, days, pacer)
    pages = list(_ask(query))
    lines = (json.dumps(page, sort_keys=True).encode() + b"\n" for page in pages)
    part = landing.put(f"cost-query-{days}.jsonl", lines, "jsonl")
    return Fetched(
        account_id=clients.account.slug,
        dataset="costs",
        days=days,
        source="api",
        source_name="Azure Cost Management Query",
        parts=(part,),
        controls=tuple(controls(pages, days, clients.account.slug, _rows_per_day(pages))),
        requests=query.requests,
    )


def _ask(query: CostQuery) -> Iterator[Page]:
    for cost_type in COST_TYPES:
        yield from query.pages(Question("total", cost_type))
        kinds = list(
            query.pages(Question("kinds", cost_type, {}, ("ChargeType", "PricingModel"), False))
        )
        yield from kinds
        for charge_type, model in sorted(_kinds(kinds)):
            filters = {"ChargeType": charge_type, "PricingModel": model}
            yield from query.pages(Question("details", cost_type, filters, (RESOURCE, METER)))
        for key, name in NAMES:
            yield from _names(query, Question("names", cost_type, {}, (key, name), False))


def _names(query: CostQuery, question: Question) -> Iterator[Page]:
    try:
        yield from query.pages(question)
    except PermanentError as error:
        if _OPTIONAL not in question.group_by or "Invalid dataset grouping" not in error.message:
            raise


def _kinds(pages: Iterable[Page]) -> set[tuple[str, str]]:
    return {
        (str(cells["ChargeType"] or ""), str(cells["PricingModel"] or ""))
        for cells in cells_of(pages)
    }


def cells_of(pages: Iterable[Page]) -> Iterator[dict[str, Any]]:
    """Yield each row as {column: cell}: the order of columns differs between answers."""
    for page in pages:
        for row in page["rows"]:
            yield dict(zip(page["columns"], row, strict=True))


def _is_table(properties: Any) -> bool:
    """Whether an answer has columns, each once, and rows with a cell for each of them."""
    try:
        names = [column["name"] for column in properties["columns"]]
        rows = properties["rows"]
    except (KeyError, TypeError):
        return False
    are_names = all(isinstance(each, str) for each in names) and len(set(names)) == len(names)
    return (
        are_names
        and isinstance(rows, list)
        and all(isinstance(row, list) and len(row) == len(names) for row in rows)
    )


def day_of(value: object) -> date:
    """Read UsageDate, an int YYYYMMDD (a text in some answers). Raises: ValueError."""
    text = str(value)[:10].replace("-", "")
    if len(text) != len("YYYYMMDD") or not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is no day")
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def query_totals(
    clients: AzureClients, days: DayRange, rows: Mapping[date, int], cost_types: Mapping[str, str]
) -> tuple[int, list[ControlTotal]]:
    """Ask for the daily totals alone, at the account's control scope; return requests and totals.

    `rows` counts the rows that each day's total is compared with, `cost_types` says what a query's
    type is called in raw.
    """
    query = CostQuery(clients, days, scope=clients.config.control_scope)
    pages = [page for kind in cost_types for page in query.pages(Question("total", kind))]
    terms = {(kind, day): count for kind in cost_types for day, count in rows.items()}
    totals = list(controls(pages, days, clients.account.slug, terms, cost_types))
    return query.requests, totals


def controls(
    pages: list[Page],
    days: DayRange,
    slug: str,
    terms: Mapping[tuple[str, date], int],
    cost_types: Mapping[str, str] = COST_TYPES,
) -> Iterator[ControlTotal]:
    """Yield Azure's own total per day, currency and cost type, asked for without any grouping.

    A day without a row among others is a total of 0, so that rows for it do not pass unseen.
    Raises: PayloadError if a total cannot be read.
    """
    for question, cost_type in cost_types.items():
        totals: dict[tuple[date, str], Decimal] = {}
        asked = (p for p in pages if p["purpose"] == "total" and p["type"] == question)
        for cells in cells_of(asked):
            try:
                key = (day_of(cells["UsageDate"]), str(cells["Currency"]))
                cost = exact(cells[COST], is_double=True)
                totals[key] = money.add(totals.get(key, money.ZERO), cost)
            except (KeyError, ValueError) as error:
                raise PayloadError(
                    f"Azure account {slug}, {days}: a total of Cost Management cannot be read"
                    f" ({type(error).__name__}: {error}).",
                    hint="Nothing was loaded; fetch the days again.",
                ) from None
        last = max((day for day, _ in totals), default=date.min)
        for currency in sorted({currency for _, currency in totals}):
            for day in days:
                if day <= last:
                    yield ControlTotal(
                        DayRange(day, day),
                        currency,
                        cost_type,
                        totals.get((day, currency), money.ZERO),
                        f"Cost Management {question} without grouping",
                        scale=_SCALE,
                        terms=terms.get((question, day), 0),
                    )


def _rows_per_day(pages: Iterable[Page]) -> dict[tuple[str, date], int]:
    counts: dict[tuple[str, date], int] = {}
    for page in pages:
        if page["purpose"] == "details" and "UsageDate" in page["columns"]:
            at = page["columns"].index("UsageDate")
            for row in page["rows"]:
                with suppress(ValueError):  # such a row will be rejected
                    key = (page["type"], day_of(row[at]))
                    counts[key] = counts.get(key, 0) + 1
    return counts


def oldest_day(today: date) -> date:
    """Return the first day that Cost Management still remembers."""
    months = today.year * 12 + today.month - 1 - _MONTHS_BACK
    return date(months // 12, months % 12 + 1, 1)


def _refuse_unobtainable_days(clients: AzureClients, days: DayRange) -> None:
    slug, today = clients.account.slug, datetime.now(UTC).date()
    if clients.config.subscription_id is None:
        raise ConfigError(
            f"Azure account {slug} names no subscription: it only finds others.",
            hint="Set subscription_id, or ingest the accounts that `astraeus account discover`"
            " finds.",
        )
    oldest = oldest_day(today)
    if days.first < oldest:
        raise NotObtainable(
            f"Azure account {slug}: Cost Management remembers {_MONTHS_BACK} months and was asked"
            f" for {days}.",
            hint=f"Start the backfill on {oldest} or later; older bills come from exports.",
        )
    if days.first > today + timedelta(days=1):
        raise NotObtainable(
            f"Azure account {slug}: {days} lies in the future.",
            hint="Ask for days that have begun.",
        )
