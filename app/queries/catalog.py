"""What may be asked of the daily costs: metrics, dimensions, grains. Defined once, for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Basis = Literal["billed", "effective", "list", "contracted"]
Grain = Literal["day", "week", "month"]


@dataclass(frozen=True)
class Metric:
    """A sum of one mart column; `unit` is the billing currency unless said otherwise."""

    key: str
    label: str
    column: str
    description: str


@dataclass(frozen=True)
class Dimension:
    """A column to group and filter by; `missing` is what its nulls are called."""

    key: str
    label: str
    column: str
    missing: str


METRICS: Final = {
    metric.key: metric
    for metric in (
        Metric("billed", "Billed", "billed_cost", "What the invoice asks for"),
        Metric("effective", "Effective", "effective_cost", "Commitments spread over their use"),
        Metric("list", "List", "list_cost", "At public prices"),
        Metric("contracted", "Contracted", "contracted_cost", "At agreed prices"),
    )
}
DIMENSIONS: Final = {
    dimension.key: dimension
    for dimension in (
        Dimension("provider", "Provider", "provider", "No provider"),
        Dimension("category", "Service category", "service_category", "No category"),
        Dimension("service", "Service", "service_name", "No service"),
        Dimension("account", "Account", "account_id", "No account"),
        Dimension("sub_account", "Sub account", "sub_account_id", "No sub account"),
        Dimension("region", "Region", "region_id", "No region"),
        Dimension("charge", "Charge category", "charge_category", "No charge category"),
    )
}
GRAINS: Final[dict[Grain, str]] = {
    "day": "usage_date",
    "week": "date_trunc('week', usage_date)::date",
    "month": "date_trunc('month', usage_date)::date",
}


def dimension_of(label: str) -> Dimension:
    """Return the dimension with this label, as selectors and URLs show it."""
    return next(each for each in DIMENSIONS.values() if each.label == label)


def metric_of(label: str) -> Metric:
    """Return the metric with this label."""
    return next(each for each in METRICS.values() if each.label == label)
