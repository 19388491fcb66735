"""AWS's own forecast of the days to come, as it stands today."""

from __future__ import annotations

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

# What is billed and what is used up, as in the marts; AWS forecasts each by itself.
METRICS: Final = ("NET_UNBLENDED_COST", "NET_AMORTIZED_COST")
# AWS gives three months of days at most.
AHEAD: Final = timedelta(days=89)
INTERVAL_LEVEL: Final = 80


def fetch_forecasts(clients: AwsClients, days: DayRange, landing: Landing) -> Fetched:
    """Ask for the forecast of the coming days; without enough history AWS makes none: no rows.

    Raises: NotObtainable if the range does not end today; ProviderError.
    """
    today = datetime.now(UTC).date()
    refuse_past_days(clients.account.slug, "the forecast", days, today)
    explorer = Explorer(clients)
    found = [page for metric in METRICS for page in _forecast(explorer, clients, metric, today)]
    return Fetched(
        account_id=clients.account.slug,
        dataset="forecasts",
        days=DayRange(today, today),
        source="api",
        source_name="AWS Cost Explorer",
        parts=(store(landing, f"forecasts-{today}", found),),
        complete_through=today,
        requests=explorer.requests,
        request_cost_usd=explorer.price,
    )


def _forecast(
    explorer: Explorer, clients: AwsClients, metric: str, today: date
) -> Iterator[dict[str, Any]]:
    linked = clients.config.linked_account_id
    request: dict[str, Any] = {
        "TimePeriod": {"Start": today.isoformat(), "End": (today + AHEAD).isoformat()},
        "Granularity": "DAILY",
        "Metric": metric,
        "PredictionIntervalLevel": INTERVAL_LEVEL,
    }
    if linked:
        request["Filter"] = {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": [linked]}}
    answers = explorer.pages(
        "get_cost_forecast",
        request,
        about=f"forecast of {metric} from {today} on",
        expects="ForecastResultsByTime",
        may_be_unavailable=True,
    )
    for answer in answers:
        yield {
            "metric": metric,
            "linked_account": linked,
            "unit": answer.get("Total", {}).get("Unit"),
            "items": answer["ForecastResultsByTime"] or [],
        }


def forecast_rows(fetched: Fetched, landing: Landing) -> Iterator[Row | Reject]:
    """Yield one row per metric and day ahead."""
    made_on = fetched.days.last
    for page in documents(fetched, landing):
        for item in page["items"]:
            try:
                yield {
                    "usage_date": made_on,
                    "billing_period": made_on.replace(day=1),
                    "linked_account_id": page["linked_account"],
                    "target_date": date.fromisoformat(item["TimePeriod"]["Start"]),
                    "metric": page["metric"],
                    "currency": page["unit"] or "USD",  # documented as US dollars
                    "mean_cost": amount(item.get("MeanValue")),
                    "lower_cost": amount(item.get("PredictionIntervalLowerBound")),
                    "upper_cost": amount(item.get("PredictionIntervalUpperBound")),
                    "interval_level": amount(INTERVAL_LEVEL),
                }
            except (KeyError, ValueError, TypeError, InvalidOperation) as error:
                yield rejected(made_on, item, error)
