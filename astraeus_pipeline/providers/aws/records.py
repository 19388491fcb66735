"""Stored pages into typed rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from astraeus_pipeline.contracts.columns import DECIMAL_SCALES, RawTable, arrow_type
from astraeus_pipeline.contracts.delivery import Fetched, Landing, Reject, RowBatch
from astraeus_pipeline.errors import PayloadError
from astraeus_pipeline.providers.aws.costs import COST_METRICS, QUANTITY_METRIC
from astraeus_pipeline.providers.aws.inventory import KIND_OF, Item, tags_of

_BATCH: Final = 16_384
_NO_REGION: Final = frozenset({"", "NoRegion", "global"})
_NO_USAGE_TYPE: Final = frozenset({"", "NoUsageType"})

Row = dict[str, Any]


def batches(table: RawTable, fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
    """Turn the stored pages of a delivery into batches of the table's contract.

    Raises: PayloadError if a page is no JSON or lacks its documented parts.
    """
    rows = _cost_rows if table.dataset == "costs" else _resource_rows
    numbered = _numbered(rows(fetched, landing))
    while chunk := list(islice(numbered, _BATCH)):
        good = [row for row in chunk if isinstance(row, dict)]
        rejects = tuple(row for row in chunk if isinstance(row, Reject))
        yield RowBatch(_batch(table, good), rejects)


def _numbered(rows: Iterator[Row | Reject]) -> Iterator[Row | Reject]:
    for number, row in enumerate(rows, 1):
        if isinstance(row, Reject):
            yield Reject(number, row.raw_text, row.reason, row.usage_date)
        else:
            yield {**row, "row_number": number}


def _batch(table: RawTable, rows: list[Row]) -> pa.RecordBatch:
    columns = {}
    for column in table.row_columns:
        values = [row.get(column.name) for row in rows]
        scale = _scale(values) if column.type == "numeric" else 0
        columns[column.name] = pa.array(values, arrow_type(column.type, scale))
    return pa.record_batch(columns)


def _scale(values: list[Decimal | None]) -> int:
    needed = max((-_exponent(value) for value in values if value is not None), default=0)
    return next((scale for scale in DECIMAL_SCALES if scale >= needed), DECIMAL_SCALES[-1])


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _pages(fetched: Fetched, landing: Landing) -> Iterator[dict[str, Any]]:
    for part in fetched.parts:
        with landing.open(part) as handle:
            for line in handle.read().splitlines():
                try:
                    yield json.loads(line)
                except json.JSONDecodeError:
                    raise PayloadError(
                        f"Account {fetched.account_id}, {fetched.days}: a page of {part.name} is no"
                        " JSON.",
                        hint="Fetch the days again.",
                    ) from None


def _cost_rows(fetched: Fetched, landing: Landing) -> Iterator[Row | Reject]:
    """One row per day and group of the detailed questions; zero groups are rows too."""
    for page in _pages(fetched, landing):
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
            name: Decimal(metrics[metric]["Amount"])
            for name, metric in COST_METRICS.items()
            if metric in metrics
        }
        currency = metrics["UnblendedCost"]["Unit"]
        quantity = metrics.get(QUANTITY_METRIC, {})
        amount = quantity.get("Amount")
        usage_quantity = None if amount is None else Decimal(amount)
        _refuse_unusable(*costs.values(), usage_quantity)
    except (KeyError, ValueError, TypeError, InvalidOperation) as error:
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


def _refuse_unusable(*amounts: Decimal | None) -> None:
    for amount in amounts:
        if amount is None:
            continue
        if not amount.is_finite():
            raise ValueError(f"{amount} is no amount")
        if -_exponent(amount) > DECIMAL_SCALES[-1]:
            raise ValueError(f"{amount} has more than {DECIMAL_SCALES[-1]} decimals")


def _resource_rows(fetched: Fetched, landing: Landing) -> Iterator[Row | Reject]:
    day = fetched.days.last
    for page in _pages(fetched, landing):
        kind = KIND_OF[page["resource_type"]]
        for item in page["items"]:
            try:
                yield _resource_row(day, page["region"], kind.resource_type, item)
            except (KeyError, ValueError, TypeError) as error:
                reason = f"{kind.resource_type}: {type(error).__name__}: {error}"
                yield Reject(0, json.dumps(item)[:2000], reason, day)


def _resource_row(day: date, region: str | None, resource_type: str, item: Item) -> Row:
    known = {"region": region, "tags": tags_of(item), **KIND_OF[resource_type].row(item)}
    tags = known.pop("tags") or {}
    created = known.pop("created_at", None)
    decimals = {
        name: Decimal(str(known.pop(name)))
        for name in ("size_gb", "throughput_mbps")
        if known.get(name) is not None
    }
    return {
        "usage_date": day,
        "billing_period": day.replace(day=1),
        "resource_type": resource_type,
        **known,
        **decimals,
        "resource_name": known.get("resource_name") or tags.get("Name"),
        "created_at": None if created is None else datetime.fromisoformat(str(created)),
        "tags": json.dumps(tags, sort_keys=True),
        "payload": json.dumps(item, sort_keys=True),
    }
