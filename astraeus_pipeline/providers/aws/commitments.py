"""Reserved instances and savings plans: what was bought, and how each day used it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing
from astraeus_pipeline.errors import PayloadError, TransientError
from astraeus_pipeline.providers.aws.client import AwsClients, translated
from astraeus_pipeline.providers.aws.costs import refuse_forgotten_days
from astraeus_pipeline.providers.aws.explorer import Explorer
from astraeus_pipeline.providers.aws.stored import Page, store

# Cost Explorer tells of one service at a time, and of none unless it is named.
RESERVED_SERVICES: Final = (
    "Amazon Elastic Compute Cloud - Compute",
    "Amazon Relational Database Service",
)
# Savings plans take no period that ends today, and yesterday's use is not complete before tonight.
_LAG: Final = timedelta(days=2)
_MAX_PAGES: Final = 10_000

_PLAN_TOTALS: Final = "SavingsPlansUtilizationsByTime"
_PLAN_DETAILS: Final = "SavingsPlansUtilizationDetails"
_RESERVATIONS: Final = "UtilizationsByTime"


@dataclass(frozen=True)
class _Scope:
    """The linked account that questions are limited to, None: all that the payer sees."""

    linked_account_id: str | None

    def filters(self, **more: str) -> dict[str, Any]:
        """Return the Filter parameter, nothing where there is nothing to filter by."""
        wanted = dict(more)
        if self.linked_account_id:
            wanted["LINKED_ACCOUNT"] = self.linked_account_id
        conditions: list[dict[str, Any]] = [
            {"Dimensions": {"Key": key, "Values": [value]}} for key, value in wanted.items()
        ]
        if not conditions:
            return {}
        return {"Filter": conditions[0] if len(conditions) == 1 else {"And": conditions}}


def fetch_commitments(clients: AwsClients, days: DayRange, landing: Landing) -> Fetched:
    """Fetch what stands bought, and per day AWS's totals, the use of each, and the coverage.

    Cost Explorer gives figures of single commitments for a period as a whole, so each day is a
    question; days without any commitment are known from the totals and not asked for.
    Raises: NotObtainable for days that Cost Explorer has forgotten; ProviderError.
    """
    refuse_forgotten_days(clients.account.slug, days)
    explorer = Explorer(clients)
    last = min(days.last, datetime.now(UTC).date() - _LAG)
    found = list(_inventory(clients))
    if last >= days.first:
        scope = _Scope(clients.config.linked_account_id)
        found += _use(explorer, DayRange(days.first, last), scope)
    return Fetched(
        account_id=clients.account.slug,
        dataset="commitments",
        days=days,
        source="api",
        source_name="AWS Cost Explorer, EC2, RDS and Savings Plans",
        parts=(store(landing, f"commitments-{days}", found),),
        complete_through=last,
        requests=explorer.requests,
        request_cost_usd=explorer.price,
    )


def _inventory(clients: AwsClients) -> Iterator[Page]:
    account = clients.account_id()
    for region in clients.regions():
        with translated(clients.account, f"listing the reserved instances in {region}"):
            answer = clients.client("ec2", region).describe_reserved_instances()
            yield _bought("ec2", account, region, answer.get("ReservedInstances"))
            listing = clients.client("rds", region).get_paginator("describe_reserved_db_instances")
            for page in listing.paginate():
                yield _bought("rds", account, region, page.get("ReservedDBInstances"))
    for plans in _plans(clients):
        yield _bought("savings-plan", account, None, plans)


def _bought(kind: str, account: str, region: str | None, items: list[Any] | None) -> Page:
    return {
        "purpose": "inventory",
        "kind": kind,
        "account": account,
        "region": region,
        "items": items or [],
    }


def _plans(clients: AwsClients) -> Iterator[list[Any]]:
    client = clients.client("savingsplans")
    request: dict[str, Any] = {}
    seen: set[str] = set()
    for _ in range(_MAX_PAGES):
        with translated(clients.account, "listing the savings plans"):
            answer = client.describe_savings_plans(**request)
        if "savingsPlans" not in answer:
            # As with Cost Explorer: a body that was cut off is an answer without fields.
            raise TransientError(
                f"AWS account {clients.account.slug}: listing the savings plans: the answer was cut"
                " off or no JSON.",
                hint="It is tried again by itself.",
            )
        yield answer["savingsPlans"]
        token = answer.get("nextToken")
        if not token:
            return
        if token in seen:
            raise PayloadError(
                f"AWS account {clients.account.slug}: listing the savings plans gave the same page"
                " token twice.",
                hint="Nothing was loaded; try again later.",
            )
        seen.add(token)
        request["nextToken"] = token


def _use(explorer: Explorer, days: DayRange, scope: _Scope) -> Iterator[Page]:
    for service in RESERVED_SERVICES:
        yield from _reservations(explorer, days, scope, service)
    yield from _savings_plans(explorer, days, scope)


def _reservations(
    explorer: Explorer, days: DayRange, scope: _Scope, service: str
) -> Iterator[Page]:
    filters = scope.filters(SERVICE=service)
    totals = _asked(
        explorer,
        "get_reservation_utilization",
        {"TimePeriod": _period(days), "Granularity": "DAILY", **filters},
        f"use of reservations of {service} for {days}",
        _RESERVATIONS,
    )
    used = [each for each in totals if _is_positive(each.get("Total"), "PurchasedHours")]
    yield _told("reservation-totals", totals, service=service)
    for day in map(_day, used):
        groups = _asked(
            explorer,
            "get_reservation_utilization",
            {
                "TimePeriod": _period(DayRange(day, day)),
                "GroupBy": [{"Type": "DIMENSION", "Key": "SUBSCRIPTION_ID"}],
                **filters,
            },
            f"use of each reservation of {service} on {day}",
            _RESERVATIONS,
        )
        yield _told("reservations", groups, service=service, day=day.isoformat())
    if used:
        coverage = _asked(
            explorer,
            "get_reservation_coverage",
            {
                "TimePeriod": _period(days),
                "Granularity": "DAILY",
                "Metrics": ["Hour", "Cost"],
                **filters,
            },
            f"coverage by reservations of {service} for {days}",
            "CoveragesByTime",
        )
        yield _told("reservation-coverage", coverage, service=service)


def _savings_plans(explorer: Explorer, days: DayRange, scope: _Scope) -> Iterator[Page]:
    filters = scope.filters()
    totals = _asked(
        explorer,
        "get_savings_plans_utilization",
        {"TimePeriod": _period(days), "Granularity": "DAILY", **filters},
        f"use of savings plans for {days}",
        _PLAN_TOTALS,
    )
    used = [each for each in totals if _is_positive(each.get("Utilization"), "TotalCommitment")]
    yield _told("savings-plan-totals", totals)
    for day in map(_day, used):
        details = _asked(
            explorer,
            "get_savings_plans_utilization_details",
            {"TimePeriod": _period(DayRange(day, day)), **filters},
            f"use of each savings plan on {day}",
            _PLAN_DETAILS,
            token="NextToken",  # noqa: S106 - a field's name
        )
        yield _told("savings-plans", details, day=day.isoformat())
    if used:
        coverage = _asked(
            explorer,
            "get_savings_plans_coverage",
            {"TimePeriod": _period(days), "Granularity": "DAILY", **filters},
            f"coverage by savings plans for {days}",
            "SavingsPlansCoverages",
            token="NextToken",  # noqa: S106 - a field's name
        )
        yield _told("savings-plan-coverage", coverage)


def _asked(
    explorer: Explorer,
    operation: str,
    parameters: Mapping[str, Any],
    about: str,
    expects: str,
    **more: str,
) -> list[Any]:
    """Return what stands under `expects` in all pages of an answer."""
    answers = explorer.pages(
        operation, parameters, about=about, expects=expects, may_be_unavailable=True, **more
    )
    return [each for answer in answers for each in answer[expects] or ()]


def _told(purpose: str, items: list[Any], **more: str) -> Page:
    return {"purpose": purpose, "items": items, **more}


def _period(days: DayRange) -> dict[str, str]:
    return {"Start": days.first.isoformat(), "End": days.end.isoformat()}


def _day(item: Mapping[str, Any]) -> date:
    return date.fromisoformat(item["TimePeriod"]["Start"])


def _is_positive(figures: Mapping[str, str] | None, name: str) -> bool:
    return Decimal((figures or {}).get(name) or 0) > 0
