"""Stored pages into typed rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.contracts.delivery import Fetched, Landing, Reject, RowBatch
from astraeus_pipeline.contracts.stored_lines import documents
from astraeus_pipeline.contracts.typed_rows import Row, exact, typed, whole_number
from astraeus_pipeline.providers.azure.costs import (
    COST,
    COST_TYPES,
    METER,
    QUANTITY,
    RESOURCE,
    Page,
    cells_of,
    day_of,
)
from astraeus_pipeline.providers.azure.inventory import Item, row_of

_NAMES: Final = {
    "ServiceName": "service_name",
    "MeterSubcategory": "meter_subcategory",
    "Meter": "meter",
    "UnitOfMeasure": "unit_of_measure",
    "ResourceLocation": "resource_location",
}
_KNOWN: Final = frozenset({"UsageDate", "Currency", COST, QUANTITY, RESOURCE, METER})

Names = Mapping[tuple[str, str, str], str]


def batches(table: RawTable, fetched: Fetched, landing: Landing) -> Iterator[RowBatch]:
    """Turn the stored pages of a delivery into batches of the table's contract.

    Raises: PayloadError if a page is no JSON or lacks its documented parts.
    """
    rows = _cost_rows if table.dataset == "costs" else _resource_rows
    return typed(table, rows(fetched, landing))


def _cost_rows(fetched: Fetched, landing: Landing) -> Iterator[Row | Reject]:
    """One row per day, charge type, pricing model, resource, meter and currency.

    Both cost types of it stand on the row: the bill in one, the commitments' share in the other.
    """
    pages = list(documents(fetched, landing))
    names = _named(page for page in pages if page["purpose"] == "names")
    found: dict[tuple[object, ...], Row] = {}
    for page in (page for page in pages if page["purpose"] == "details"):
        for cells in cells_of([page]):
            row = _cost_row(page, cells)
            if isinstance(row, Reject):
                yield row
                continue
            _merge(found, row)
    yield from (_with_names(row, names) for row in found.values())


def _cost_row(page: Page, cells: Mapping[str, Any]) -> Row | Reject:
    day: date | None = None
    try:
        day = day_of(cells["UsageDate"])
        cost = _amount(cells[COST])
        quantity = None if cells.get(QUANTITY) is None else _amount(cells[QUANTITY])
        currency = cells["Currency"]
        if not currency or not isinstance(currency, str):
            raise ValueError("a cost without a currency")
    except (KeyError, ValueError) as error:
        text = json.dumps(cells, sort_keys=True, default=str)[:2000]
        return Reject(0, text, f"{type(error).__name__}: {error}", day)
    further = {name: value for name, value in cells.items() if name not in _KNOWN}
    return {
        "usage_date": day,
        "billing_period": day.replace(day=1),
        "subscription_id": page["subscription"],
        "charge_type": page["filters"]["ChargeType"] or "Unknown",
        "pricing_model": page["filters"]["PricingModel"] or None,
        "resource_id": _text(cells.get(RESOURCE)),
        "meter_id": _text(cells.get(METER)),
        "currency": currency,
        COST_TYPES[page["type"]]: cost,
        "quantity": quantity,
        "payload": json.dumps(further, sort_keys=True) if further else None,
    }


def _merge(found: dict[tuple[object, ...], Row], row: Row) -> None:
    """Put a row beside its other cost type; one that comes in two spellings of an id is added."""
    keys = ("usage_date", "charge_type", "pricing_model", "resource_id", "meter_id", "currency")
    standing = found.setdefault(tuple(row[key] for key in keys), {})
    cost_type = next(name for name in COST_TYPES.values() if name in row)
    if cost_type in standing:
        row = {**row, cost_type: money.add(standing[cost_type], row[cost_type])}
        if standing["quantity"] is not None and row["quantity"] is not None:
            row["quantity"] = money.add(standing["quantity"], row["quantity"])
    elif standing.get("quantity") is not None:  # both types count the same use
        row = {**row, "quantity": standing["quantity"]}
    standing.update(row)


def _named(pages: Iterable[Page]) -> Names:
    """Tell what meters and resources are called, by {(dimension, id, name's dimension): name}.

    Where an id has several names (a renamed meter), the one with most money behind it counts.
    """
    found: dict[tuple[str, str, str], list[tuple[Decimal, str]]] = {}
    for page in pages:
        key, name = page["group_by"]
        for cells in cells_of([page]):
            identity, called = _text(cells.get(key)), str(cells.get(name) or "").strip()
            if identity and called:
                weight = _weight(cells)
                found.setdefault((key, identity, name), []).append((weight, called))
    return {key: max(candidates)[1] for key, candidates in found.items()}


def _weight(cells: Mapping[str, Any]) -> Decimal:
    """Return the money behind a name; one that cannot be read weighs nothing, its row is judged."""
    try:
        return abs(_amount(cells[COST]))
    except (KeyError, ValueError):
        return money.ZERO


def _with_names(row: Row, names: Names) -> Row:
    named = {}
    for dimension, column in _NAMES.items():
        key = RESOURCE if dimension == "ResourceLocation" else METER
        identity = row["resource_id"] if key == RESOURCE else row["meter_id"]
        named[column] = names.get((key, identity or "", dimension))
    return {**row, **named}


def _text(value: object) -> str | None:
    """Return an id in lower case: Azure spells the same one in several ways."""
    return str(value).strip().lower() or None if value is not None else None


def _amount(value: object) -> Decimal:
    return exact(value, is_double=True)


def _resource_rows(fetched: Fetched, landing: Landing) -> Iterator[Row | Reject]:
    day = fetched.days.last
    for page in documents(fetched, landing):
        for item in page["items"]:
            try:
                yield _resource_row(day, item)
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                kind = item.get("type") if isinstance(item, dict) else "a resource"
                reason = f"{kind}: {type(error).__name__}: {error}"
                yield Reject(0, json.dumps(item)[:2000], reason, day)


def _resource_row(day: date, item: Item) -> Row:
    known = row_of(item)
    created = known.pop("created_at", None)
    decimals = {
        name: exact(known.pop(name))
        for name in ("size_gb", "throughput_mbps")
        if known.get(name) is not None
    }
    iops = known.pop("iops", None)
    return {
        "usage_date": day,
        "billing_period": day.replace(day=1),
        **known,
        **decimals,
        "iops": None if iops is None else whole_number(iops),
        "created_at": None if created is None else datetime.fromisoformat(str(created)),
        "tags": json.dumps(item.get("tags") or {}, sort_keys=True),
        "payload": json.dumps(item, sort_keys=True),
    }
