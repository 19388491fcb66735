"""CloudWatch metrics of the invented machines: a day's statistics each, the same every time."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from astraeus_pipeline.contracts.days import DayRange

HISTORY_DAYS: Final = 17
_IDLE_CPU: Final = 0.04  # of the usual load, of what nobody uses
_DATA_AT_ONCE: Final = 500
_HOURS: Final = 24.0


@dataclass(frozen=True)
class _Metric:
    """A metric with its mean and spread; `busy` resources only have those that are not rare."""

    name: str
    mean: float
    spread: float
    is_rare: bool = False


_DIMENSIONS: Final[Mapping[str, str]] = {
    "AWS/EC2": "InstanceId",
    "AWS/EBS": "VolumeId",
    "AWS/RDS": "DBInstanceIdentifier",
    "AWS/Lambda": "FunctionName",
    "AWS/NATGateway": "NatGatewayId",
    "AWS/ApplicationELB": "LoadBalancer",
    "AWS/ELB": "LoadBalancerName",
}
_METRICS: Final[Mapping[str, tuple[_Metric, ...]]] = {
    "AWS/EC2": (
        _Metric("CPUUtilization", 31, 14),
        _Metric("NetworkIn", 4.1e8, 1e8),
        _Metric("NetworkOut", 6.3e8, 2e8),
        _Metric("EBSReadOps", 9_000, 2_000, is_rare=True),
        _Metric("EBSWriteOps", 24_000, 5_000, is_rare=True),
        _Metric("EBSReadBytes", 1.2e8, 3e7, is_rare=True),
        _Metric("EBSWriteBytes", 5.6e8, 1e8, is_rare=True),
    ),
    "AWS/EBS": (
        _Metric("VolumeReadOps", 8_000, 2_000),
        _Metric("VolumeWriteOps", 21_000, 4_000),
        _Metric("VolumeIdleTime", 2_400, 300),
        _Metric("VolumeQueueLength", 0.4, 0.2),
    ),
    "AWS/RDS": (
        _Metric("CPUUtilization", 42, 10),
        _Metric("DatabaseConnections", 64, 12),
        _Metric("FreeStorageSpace", 2.1e11, 1e9),
        _Metric("ReadIOPS", 380, 60),
        _Metric("WriteIOPS", 190, 40),
    ),
    "AWS/Lambda": (
        _Metric("Invocations", 5_200, 800),
        _Metric("Duration", 118, 30),
        _Metric("Errors", 4, 2),
    ),
    "AWS/NATGateway": (
        _Metric("BytesOutToDestination", 3.3e9, 5e8),
        _Metric("BytesInFromDestination", 7.1e9, 9e8),
    ),
    "AWS/ApplicationELB": (_Metric("RequestCount", 88_000, 9_000),),
    "AWS/ELB": (_Metric("RequestCount", 310, 60),),
}


def seed(
    cloudwatch: Any,
    resources: Mapping[str, Sequence[str]],
    salt: str,
    loads: Mapping[str, float] | None = None,
    anchor: date | None = None,
) -> None:
    """Put the last days' statistics of resources, given by namespace, into one region.

    `loads` has the part of the usual load that a resource bears; 0 where nobody uses it. They begin
    some days before the anchor, by default today: who starts again on a later day finds them all.
    """
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    first = (anchor or yesterday + timedelta(days=1)) - timedelta(days=HISTORY_DAYS)
    days = list(DayRange(first, yesterday))
    for namespace, identities in resources.items():
        data = list(_data(namespace, identities, days, salt, loads or {}))
        for start in range(0, len(data), _DATA_AT_ONCE):
            cloudwatch.put_metric_data(
                Namespace=namespace, MetricData=data[start : start + _DATA_AT_ONCE]
            )


def _data(
    namespace: str,
    identities: Sequence[str],
    days: Sequence[date],
    salt: str,
    loads: Mapping[str, float],
) -> Iterator[dict[str, Any]]:
    for number, identity in enumerate(identities):
        for metric in _METRICS[namespace]:
            if metric.is_rare and number:
                continue  # the first machine has them all, the others what everybody looks at
            for day in days:
                # Ids are drawn anew by each moto, so the place in the list stands for them.
                datum = _datum(namespace, identity, metric, day, f"{salt}:{namespace}:{number}")
                yield _at_load(datum, loads.get(identity, 1.0))


def _at_load(datum: dict[str, Any], load: float) -> dict[str, Any]:
    """Return the statistics at a part of the load; a system of its own keeps a processor awake."""
    if datum["MetricName"] == "CPUUtilization":
        load = max(load, _IDLE_CPU)
    if load == 1:
        return datum
    values = datum["StatisticValues"]
    scaled = {name: round(value * load, 3) for name, value in values.items()}
    return {**datum, "StatisticValues": {**scaled, "SampleCount": values["SampleCount"]}}


def _datum(namespace: str, identity: str, metric: _Metric, day: date, salt: str) -> dict[str, Any]:
    chance = random.Random(f"{salt}:{metric.name}:{day}")  # noqa: S311 - play
    mean = max(0.0, round(chance.gauss(metric.mean, metric.spread / 3), 3))
    low, high = max(0.0, round(mean - metric.spread, 3)), round(mean + metric.spread, 3)
    if metric.name == "CPUUtilization":
        high = min(100.0, high)
    return {
        "MetricName": metric.name,
        "Dimensions": [{"Name": _DIMENSIONS[namespace], "Value": identity}],
        "Timestamp": datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
        "StatisticValues": {
            "SampleCount": _HOURS,
            "Sum": round(mean * _HOURS, 3),
            "Minimum": low,
            "Maximum": high,
        },
    }
