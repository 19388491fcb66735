"""How resources were used, day by day: CloudWatch's statistics of their metrics."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing, Reject
from astraeus_pipeline.contracts.stored_lines import documents
from astraeus_pipeline.contracts.typed_rows import Row
from astraeus_pipeline.errors import AuthError, NotObtainable, PayloadError, TransientError
from astraeus_pipeline.providers.aws.client import AwsClients, translated
from astraeus_pipeline.providers.aws.gauges import GAUGES, Gauge
from astraeus_pipeline.providers.aws.kind import Place, in_chunks, listed
from astraeus_pipeline.providers.aws.stored import Page, amount, rejected, store

KEPT_DAYS: Final = 455
# GetMetricData is paid for by the metric and statistic, ListMetrics by the request, alike.
METRIC_PRICE_USD: Final = Decimal("0.00001")
STATISTICS: Final = {
    "average": "Average",
    "maximum": "Maximum",
    "minimum": "Minimum",
    "sum": "Sum",
    "samples": "SampleCount",
}
QUERIES_AT_ONCE: Final = 500
_DAY_SECONDS: Final = 86_400
_REGIONS_AT_ONCE: Final = 4
_MAX_PAGES: Final = 10_000


@dataclass(frozen=True)
class Series:
    """One metric of one resource; `dimension` is the value that CloudWatch knows it by."""

    gauge: Gauge
    metric: str
    dimension: str
    resource_id: str


@dataclass
class Usage:
    """What the calls of one delivery were, and what AWS charges for them."""

    requests: int = 0
    priced: int = 0

    @property
    def price(self) -> Decimal:
        """The price of the calls, in USD."""
        return METRIC_PRICE_USD * self.priced


def fetch_utilisation(clients: AwsClients, days: DayRange, landing: Landing) -> Fetched:
    """Fetch the statistics of the days that are over; the day under way would only be partial.

    Resources come from CloudWatch's own list of metrics, which reaches two weeks back: what was
    deleted before that is not found again.
    Raises: NotObtainable if CloudWatch has forgotten the days; ProviderError.
    """
    _refuse_forgotten_days(clients.account.slug, days)
    last = min(days.last, _today() - timedelta(days=1))
    usage = Usage()
    found: list[Page] = []
    if last >= days.first:
        found = list(_regions(clients, DayRange(days.first, last), usage))
    return Fetched(
        account_id=clients.account.slug,
        dataset="utilisation",
        days=days,
        source="api",
        source_name="AWS CloudWatch",
        parts=(store(landing, f"cloudwatch-{days}", found),),
        complete_through=last,
        requests=usage.requests,
        request_cost_usd=usage.price,
    )


def utilisation_rows(fetched: Fetched, landing: Landing) -> Iterator[Row | Reject]:
    """Yield one row per resource, metric and day from the stored pages."""
    for page in documents(fetched, landing):
        for series in page["series"]:
            for day, values in _by_day(series["statistics"]).items():
                try:
                    figures = {name: amount(value) for name, value in values.items()}
                except (InvalidOperation, ValueError, TypeError) as error:
                    yield rejected(day, series, error)
                    continue
                yield {
                    "usage_date": day,
                    "billing_period": day.replace(day=1),
                    "region": page["region"],
                    **{name: series[name] for name in _SERIES_COLUMNS},
                    **figures,
                }


_SERIES_COLUMNS: Final = ("resource_id", "resource_type", "metric", "unit")


def _by_day(statistics: dict[str, list[list[Any]]]) -> dict[date, dict[str, Any]]:
    days: dict[date, dict[str, Any]] = {}
    for name, points in statistics.items():
        for stamp, value in points:
            days.setdefault(date.fromisoformat(stamp[:10]), {})[name] = value
    return days


def _regions(clients: AwsClients, days: DayRange, usage: Usage) -> Iterator[Page]:
    account_id = clients.account_id()

    def read(region: str) -> tuple[list[Page], Usage]:
        spent = Usage()
        place = Place(clients.client("cloudwatch", region), account_id)
        return list(_region(clients, place, region, days, spent)), spent

    with ThreadPoolExecutor(_REGIONS_AT_ONCE) as pool:
        for found, spent in pool.map(read, clients.regions()):
            usage.requests += spent.requests
            usage.priced += spent.priced
            yield from found


def _region(
    clients: AwsClients, place: Place, region: str, days: DayRange, usage: Usage
) -> Iterator[Page]:
    every = [each for gauge in GAUGES for each in _series(clients, place, region, gauge, usage)]
    for some in in_chunks(every, QUERIES_AT_ONCE // len(STATISTICS)):
        statistics = _statistics(clients, place, region, some, days, usage)
        yield {
            "region": region,
            "series": [
                {
                    "resource_id": each.resource_id,
                    "resource_type": each.gauge.resource_type,
                    "metric": each.metric,
                    "unit": each.gauge.metrics[each.metric],
                    "statistics": statistics[number],
                }
                for number, each in enumerate(some)
            ],
        }


def _series(
    clients: AwsClients, place: Place, region: str, gauge: Gauge, usage: Usage
) -> list[Series]:
    """List the series of a gauge's metrics, in a fixed order."""
    found = set()
    with translated(clients.account, f"listing the metrics of {gauge.namespace} in {region}"):
        listing = place.client.get_paginator("list_metrics").paginate(
            Namespace=gauge.namespace, Dimensions=[{"Name": gauge.dimension}]
        )
        for page in listing:
            usage.requests += 1
            usage.priced += 1
            for metric in listed(page, "Metrics"):
                dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
                # Series with further dimensions (a version, a zone) are parts of these.
                if metric["MetricName"] in gauge.metrics and set(dimensions) == {gauge.dimension}:
                    found.add((dimensions[gauge.dimension], metric["MetricName"]))
    return [
        Series(gauge, metric, value, gauge.resource_id(place, value))
        for value, metric in sorted(found)
    ]


def _statistics(
    clients: AwsClients,
    place: Place,
    region: str,
    series: list[Series],
    days: DayRange,
    usage: Usage,
) -> list[dict[str, list[list[Any]]]]:
    """Return, per series, the daily points of each statistic as [day, value]."""
    answers: list[dict[str, list[list[Any]]]] = [{} for _ in series]
    attempt = f"CloudWatch's statistics of {days} in {region}"
    request: dict[str, Any] = {
        "MetricDataQueries": list(_queries(series)),
        "StartTime": datetime.combine(days.first, time(), UTC),
        "EndTime": datetime.combine(days.end, time(), UTC),
        "ScanBy": "TimestampAscending",
    }
    seen, partial = set[str](), set[str]()
    for _ in range(_MAX_PAGES):
        usage.requests += 1
        usage.priced += len(request["MetricDataQueries"])
        with translated(clients.account, attempt):
            answer = place.client.get_metric_data(**request)
            results = listed(answer, "MetricDataResults")
        for result in results:
            _refuse_broken(clients.account.slug, attempt, result)
            partial.discard(result["Id"])
            if result.get("StatusCode") == "PartialData":
                partial.add(result["Id"])
            number, _, name = result["Id"].removeprefix("q").partition("_")
            points = answers[int(number)].setdefault(name, [])
            points += [
                [stamp.astimezone(UTC).date().isoformat(), value]
                for stamp, value in zip(result["Timestamps"], result["Values"], strict=True)
            ]
        token = answer.get("NextToken")
        if not token and not partial:
            return answers
        if not token:
            break
        if token in seen:
            raise PayloadError(
                f"AWS account {clients.account.slug}: {attempt} gave the same page token twice.",
                hint="Nothing was loaded; try again later.",
            )
        seen.add(token)
        request["NextToken"] = token
    raise TransientError(
        f"AWS account {clients.account.slug}: {attempt} ended before all data had come.",
        hint="It is tried again by itself.",
    )


def _queries(series: list[Series]) -> Iterator[dict[str, Any]]:
    for number, each in enumerate(series):
        metric = {
            "Namespace": each.gauge.namespace,
            "MetricName": each.metric,
            "Dimensions": [{"Name": each.gauge.dimension, "Value": each.dimension}],
        }
        for name, statistic in STATISTICS.items():
            yield {
                "Id": f"q{number}_{name}",
                "MetricStat": {"Metric": metric, "Period": _DAY_SECONDS, "Stat": statistic},
            }


def _refuse_broken(slug: str, attempt: str, result: dict[str, Any]) -> None:
    """Raise what a result's own status says, under an answer that is called a success."""
    status = result.get("StatusCode")
    if status == "Forbidden":
        raise AuthError(
            f"AWS account {slug}: {attempt}: CloudWatch forbids {result.get('Label')}.",
            hint=f"Check the permissions, then `astraeus account test {slug}`.",
        )
    if status == "InternalError":
        raise TransientError(
            f"AWS account {slug}: {attempt}: CloudWatch failed at {result.get('Label')}.",
            hint="It is tried again by itself.",
        )


def _refuse_forgotten_days(slug: str, days: DayRange) -> None:
    oldest = _today() - timedelta(days=KEPT_DAYS)
    if days.first < oldest:
        raise NotObtainable(
            f"AWS account {slug}: CloudWatch keeps {KEPT_DAYS} days and was asked for {days}.",
            hint=f"Start on {oldest} or later.",
        )


def _today() -> date:
    return datetime.now(UTC).date()
