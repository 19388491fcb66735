"""Stored pages into typed rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Final

from astraeus_pipeline.contracts.columns import Dataset, RawTable
from astraeus_pipeline.contracts.delivery import Fetched, Landing, Reject, RowBatch
from astraeus_pipeline.contracts.stored_lines import documents
from astraeus_pipeline.contracts.typed_rows import Row, typed
from astraeus_pipeline.errors import PayloadError
from astraeus_pipeline.providers.aws.anomalies import anomaly_rows
from astraeus_pipeline.providers.aws.commitment_rows import commitment_rows
from astraeus_pipeline.providers.aws.costs import COST_METRICS, QUANTITY_METRIC, spelled
from astraeus_pipeline.providers.aws.forecasts import forecast_rows
from astraeus_pipeline.providers.aws.kind import Item
from astraeus_pipeline.providers.aws.resources import resource_rows
from astraeus_pipeline.providers.aws.utilisation import utilisation_rows

_NO_REGION: Final = frozenset({"", "NoRegion", "global"})
_NO_USAGE_TYPE: Final = frozenset({"", "NoUsageType"})


def batches(table: RawTable, fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
    """Turn the stored pages of a delivery into batches of the table's contract.

    Raises: PayloadError if a page is no JSON or lacks its documented parts.
    """
    return typed(table, _ROWS[table.dataset](fetched, landing))


def _cost_rows(fetched: Fetched, landing: Landing) -> Iterator[Row | Reject]:
    """One row per day and group of the detailed questions; zero groups are rows too."""
    for page in documents(fetched, landing):
        if page["purpose"] != "details":
            continue
        if page["results"] is None:
            raise PayloadError(
                f"Account {fetched.account_id}, {fetched.days}: Cost Explorer answered without"
                " ResultsByTime.",
                hint="Fetch the days again.",
            )
        for result in page["results"]:
            day = date.fromisoformat(result["TimePeriod"]["Start"])
            for group in result.get("Groups", ()):
                yield _cost_row(page["filters"], day, bool(result.get("Estimated")), group)


def _cost_row(
    filters: Mapping[str, str], day: date, is_estimated: bool, group: Item
) -> Row | Reject:
    try:
        service, usage_type = group["Keys"]
        metrics = group["Metrics"]
        costs = {
            name: spelled(metrics[metric])
            for name, metric in COST_METRICS.items()
            if metric in metrics
        }
        currency = metrics["UnblendedCost"]["Unit"]
        quantity = metrics.get(QUANTITY_METRIC, {})
        has_quantity = quantity.get("Amount") is not None
        usage_quantity = spelled(quantity) if has_quantity else None
        if not currency:
            raise ValueError("a cost without a currency")
        if any(
            metrics[each]["Unit"] != currency for each in COST_METRICS.values() if each in metrics
        ):
            raise ValueError("costs in several currencies")
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        return Reject(0, json.dumps(group)[:2000], f"{type(error).__name__}: {error}", day)
    unit = quantity.get("Unit")
    return {
        "usage_date": day,
        "billing_period": day.replace(day=1),
        "linked_account_id": filters["LINKED_ACCOUNT"],
        "record_type": filters["RECORD_TYPE"],
        "region": None if filters["REGION"] in _NO_REGION else filters["REGION"],
        "service": service,
        "usage_type": None if usage_type in _NO_USAGE_TYPE else usage_type,
        "currency": currency,
        **costs,
        "usage_quantity": None if unit in (None, "", "N/A") else usage_quantity,
        "usage_unit": None if unit in (None, "", "N/A") else unit,
        "is_estimated": is_estimated,
    }


_ROWS: Final[Mapping[Dataset, Callable[[Fetched, Landing], Iterator[Row | Reject]]]] = {
    "costs": _cost_rows,
    "resources": resource_rows,
    "utilisation": utilisation_rows,
    "commitments": commitment_rows,
    "forecasts": forecast_rows,
    "anomalies": anomaly_rows,
}
