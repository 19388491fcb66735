"""Cost Explorer: the questions that tell an account's daily costs, and their pages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Fetched, Landing
from astraeus_pipeline.contracts.typed_rows import exact
from astraeus_pipeline.errors import NotObtainable
from astraeus_pipeline.providers.aws.client import AwsClients
from astraeus_pipeline.providers.aws.explorer import Explorer

COST_METRICS: Final = {
    "unblended_cost": "UnblendedCost",
    "amortized_cost": "AmortizedCost",
    "net_unblended_cost": "NetUnblendedCost",
    "net_amortized_cost": "NetAmortizedCost",
}
_COST_TYPE_OF: Final = {metric: cost_type for cost_type, metric in COST_METRICS.items()}
QUANTITY_METRIC: Final = "UsageQuantity"
# Decimals that Cost Explorer rounds a group to.
_SCALE: Final = 10
_MONTHS_BACK: Final = 13

Page = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """One query: what it is for, its filter by dimension, its at most two groupings."""

    purpose: str
    filters: dict[str, str] = field(default_factory=dict)
    group_by: tuple[str, ...] = ()

    def parameters(self, days: DayRange) -> dict[str, Any]:
        """Return the parameters of GetCostAndUsage; the end is exclusive."""
        metrics = [*COST_METRICS.values()]
        if "USAGE_TYPE" in self.group_by:  # elsewhere it would add up different units
            metrics.append(QUANTITY_METRIC)
        parameters: dict[str, Any] = {
            "TimePeriod": {"Start": days.first.isoformat(), "End": days.end.isoformat()},
            "Granularity": "DAILY",
            "Metrics": metrics,
        }
        if self.group_by:
            parameters["GroupBy"] = [{"Type": "DIMENSION", "Key": key} for key in self.group_by]
        conditions: list[dict[str, Any]] = [
            {"Dimensions": {"Key": key, "Values": [value]}} for key, value in self.filters.items()
        ]
        if conditions:
            parameters["Filter"] = conditions[0] if len(conditions) == 1 else {"And": conditions}
        return parameters


class CostExplorer:
    """Asks Cost Explorer about one account's days, all pages of a question."""

    def __init__(self, clients: AwsClients, days: DayRange) -> None:
        self._days = days
        self._explorer = Explorer(clients)

    @property
    def requests(self) -> int:
        """How many requests AWS will charge for."""
        return self._explorer.requests

    @property
    def price(self) -> Decimal:
        """What they cost, in USD."""
        return self._explorer.price

    def pages(self, question: Question) -> Iterator[Page]:
        """Yield the pages of a question as {purpose, filters, group_by, results}.

        Raises: as `Explorer.pages`.
        """
        answers = self._explorer.pages(
            "get_cost_and_usage",
            question.parameters(self._days),
            about=f"{question.purpose} for {self._days}",
            expects="ResultsByTime",
        )
        for answer in answers:
            yield {
                "purpose": question.purpose,
                "filters": question.filters,
                "group_by": list(question.group_by),
                "results": answer["ResultsByTime"],
            }


def fetch_costs(clients: AwsClients, days: DayRange, landing: Landing) -> Fetched:
    """Ask for the days by every dimension, and without any for the control totals.

    Cost Explorer groups by two dimensions at most, so service and usage type are asked for within
    each linked account, record type and region that has costs.
    """
    refuse_forgotten_days(clients.account.slug, days)
    asking = CostExplorer(clients, days)
    pages = list(_ask(asking, clients.config.linked_account_id))
    lines = (json.dumps(page, sort_keys=True).encode() + b"\n" for page in pages)
    part = landing.put(f"cost-explorer-{days}.jsonl", lines, "jsonl")
    totals = [page for page in pages if page["purpose"] == "total"]
    return Fetched(
        account_id=clients.account.slug,
        dataset="costs",
        days=days,
        source="api",
        source_name="AWS Cost Explorer",
        parts=(part,),
        complete_through=_complete_through(totals),
        controls=tuple(daily_totals(totals, _COST_TYPE_OF, _groups_per_day(pages))),
        requests=asking.requests,
        request_cost_usd=asking.price,
    )


def _ask(asking: CostExplorer, linked_account: str | None) -> Iterator[Page]:
    scope = {"LINKED_ACCOUNT": linked_account} if linked_account else {}
    yield from asking.pages(Question("total", scope))
    accounts = [linked_account] if linked_account else []
    if not accounts:
        pages = list(asking.pages(Question("accounts", {}, ("LINKED_ACCOUNT",))))
        yield from pages
        accounts = sorted({keys[0] for keys in _keys(pages)})
    for account in accounts:
        found = Question("combinations", {"LINKED_ACCOUNT": account}, ("RECORD_TYPE", "REGION"))
        pages = list(asking.pages(found))
        yield from pages
        for record_type, region in sorted({(keys[0], keys[1]) for keys in _keys(pages)}):
            filters = {"LINKED_ACCOUNT": account, "RECORD_TYPE": record_type, "REGION": region}
            yield from asking.pages(Question("details", filters, ("SERVICE", "USAGE_TYPE")))


def _keys(pages: Iterable[Page]) -> Iterator[list[str]]:
    for page in pages:
        for result in page["results"]:
            yield from (group["Keys"] for group in result.get("Groups", ()))


def _groups_per_day(pages: Iterable[Page]) -> dict[date, int]:
    counts: dict[date, int] = {}
    for page in pages:
        if page["purpose"] == "details":
            for result in page["results"]:
                day = date.fromisoformat(result["TimePeriod"]["Start"])
                counts[day] = counts.get(day, 0) + len(result.get("Groups", ()))
    return counts


def daily_totals(
    totals: list[Page], metrics: Mapping[str, str], terms: Mapping[date, int]
) -> Iterator[ControlTotal]:
    """Yield Cost Explorer's own total per day and cost type, asked for without any grouping.

    `metrics`: metric -> cost type that it is the total of; `terms`: rounded figures of a day.
    """
    for page in totals:
        for result in page["results"]:
            day = date.fromisoformat(result["TimePeriod"]["Start"])
            for metric, cost_type in metrics.items():
                cell = result.get("Total", {}).get(metric)
                if cell is not None:
                    yield ControlTotal(
                        DayRange(day, day),
                        cell["Unit"],
                        cost_type,
                        spelled(cell),
                        "Cost Explorer without grouping",
                        scale=_SCALE,
                        terms=terms.get(day, 0),
                    )


def spelled(cell: Mapping[str, Any]) -> Decimal:
    """Read the amount of {Amount, Unit}, a text: as a number it would have lost digits on its way.

    Raises: KeyError, ValueError.
    """
    if not isinstance(cell["Amount"], str):
        raise ValueError(f"{str(cell['Amount'])[:200]!r} is no text of an amount")
    return exact(cell["Amount"])


def _complete_through(totals: list[Page]) -> date | None:
    final = [
        date.fromisoformat(result["TimePeriod"]["Start"])
        for page in totals
        for result in page["results"]
        if not result.get("Estimated")
    ]
    return max(final, default=None)


def oldest_day(today: date) -> date:
    """Return the first day that Cost Explorer remembers."""
    months = today.year * 12 + today.month - 1 - _MONTHS_BACK
    return date(months // 12, months % 12 + 1, 1)


def refuse_forgotten_days(slug: str, days: DayRange) -> None:
    """Refuse days that Cost Explorer cannot answer for, before anything is paid.

    Raises: NotObtainable.
    """
    today = datetime.now(UTC).date()
    oldest = oldest_day(today)
    if days.first < oldest:
        raise NotObtainable(
            f"AWS account {slug}: Cost Explorer remembers {_MONTHS_BACK} months and was asked for"
            f" {days}.",
            hint=f"Start the backfill on {oldest} or later; older bills come from exports.",
        )
    if days.first > today + timedelta(days=1):
        raise NotObtainable(
            f"AWS account {slug}: {days} lies in the future.", hint="Ask for days that have begun."
        )
