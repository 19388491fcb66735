"""The anomalies that AWS itself found, as it tells them today."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import InvalidOperation
from typing import Any, Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing, Reject
from astraeus_pipeline.contracts.stored_lines import documents
from astraeus_pipeline.contracts.typed_rows import Row
from astraeus_pipeline.providers.aws.client import AwsClients
from astraeus_pipeline.providers.aws.explorer import Explorer
from astraeus_pipeline.providers.aws.snapshots import refuse_past_days
from astraeus_pipeline.providers.aws.stored import amount, rejected, store

# AWS keeps them so long, by the day of their end.
KEPT: Final = timedelta(days=90)


def fetch_anomalies(clients: AwsClients, days: DayRange, landing: Landing) -> Fetched:
    """Ask for all anomalies that AWS still keeps; each day's answer shows what it knew that day.

    Raises: NotObtainable if the range does not end today; ProviderError.
    """
    today = datetime.now(UTC).date()
    refuse_past_days(clients.account.slug, "what AWS had found", days, today)
    explorer = Explorer(clients)
    answers = explorer.pages(
        "get_anomalies",
        {
            "DateInterval": {
                "StartDate": (today - KEPT).isoformat(),
                "EndDate": today.isoformat(),
            }
        },
        about=f"anomalies of the {KEPT.days} days before {today}",
        expects="Anomalies",
        may_be_unavailable=True,
    )
    linked = clients.config.linked_account_id
    items = [each for answer in answers for each in answer["Anomalies"] or ()]
    found = [{"items": [each for each in items if _concerns(each, linked)]}]
    return Fetched(
        account_id=clients.account.slug,
        dataset="anomalies",
        days=DayRange(today, today),
        source="api",
        source_name="AWS Cost Anomaly Detection",
        parts=(store(landing, f"anomalies-{today}", found),),
        complete_through=today,
        requests=explorer.requests,
        request_cost_usd=explorer.price,
    )


def _concerns(anomaly: dict[str, Any], linked_account: str | None) -> bool:
    """Whether an anomaly is about the account; AWS cannot be asked for one account's alone."""
    causes = {cause.get("LinkedAccount") for cause in anomaly.get("RootCauses") or ()}
    return linked_account is None or linked_account in causes


def anomaly_rows(fetched: Fetched, landing: Landing) -> Iterator[Row | Reject]:
    """Yield one row per anomaly."""
    told_on = fetched.days.last
    for page in documents(fetched, landing):
        for item in page["items"]:
            try:
                yield _row(told_on, item)
            except (KeyError, ValueError, TypeError, InvalidOperation) as error:
                yield rejected(told_on, item, error)


def _row(told_on: date, item: dict[str, Any]) -> Row:
    impact, score = item.get("Impact") or {}, item.get("AnomalyScore") or {}
    return {
        "usage_date": told_on,
        "billing_period": told_on.replace(day=1),
        "anomaly_id": item["AnomalyId"],
        "monitor_arn": item.get("MonitorArn"),
        "first_day": _day(item.get("AnomalyStartDate")),
        "last_day": _day(item.get("AnomalyEndDate")),
        "dimension_value": item.get("DimensionValue"),
        "currency": "USD",
        "max_impact_cost": amount(impact.get("MaxImpact")),
        "total_impact_cost": amount(impact.get("TotalImpact")),
        "actual_cost": amount(impact.get("TotalActualSpend")),
        "expected_cost": amount(impact.get("TotalExpectedSpend")),
        "max_score": amount(score.get("MaxScore")),
        "current_score": amount(score.get("CurrentScore")),
        "feedback": item.get("Feedback"),
        "root_causes": json.dumps(item.get("RootCauses") or [], sort_keys=True),
        "payload": json.dumps(item, sort_keys=True),
    }


def _day(text: str | None) -> date | None:
    # Seen both as a day and as a time.
    return date.fromisoformat(text[:10]) if text else None
