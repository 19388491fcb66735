"""The estate's other bills as FOCUS files: monthly CSV.gz (1.2) and Parquet (1.0)."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from astraeus_pipeline.contracts.days import DayRange, next_month
from astraeus_pipeline.sandbox.estate import AZURE, ORACLE, Charge, Estate, Owner

_CATEGORIES: Final = {"Fee": "Purchase", "Refund": "Adjustment"}
_SERVICE_CATEGORIES: Final = {
    "Virtual Machines": "Compute",
    "Compute": "Compute",
    "Azure Kubernetes Service": "Compute",
    "Storage Accounts": "Storage",
    "Block Storage": "Storage",
    "Azure SQL Database": "Databases",
    "Autonomous Database": "Databases",
    "Bandwidth": "Networking",
}
_ISSUERS: Final = {AZURE.slug: ("Microsoft", "Microsoft"), ORACLE.slug: ("Oracle", "Oracle")}
_RESOURCE_TYPES: Final = {
    "Virtual Machines": "Virtual machine",
    "Compute": "Instance",
    "Azure Kubernetes Service": "Managed cluster",
    "Storage Accounts": "Storage account",
    "Block Storage": "Volume",
    "Azure SQL Database": "Database",
    "Autonomous Database": "Database",
    "Bandwidth": "Network interface",
}
_NOT_IN_1_0: Final = (
    "InvoiceId",
    "BillingAccountType",
    "SubAccountType",
    "ServiceSubcategory",
    "SkuMeter",
    "PricingCurrency",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
)


def write(estate: Estate, folder: Path, today: date) -> None:
    """Write what the issuers have delivered by `today`; a closed month has a file of its own."""
    last = today - timedelta(days=1)
    for month in DayRange(estate.first_day, last).months():
        days = DayRange(max(month, estate.first_day), min(DayRange.of_month(month).last, last))
        state = "final" if estate.is_final(month) else "open"
        rows = list(_rows(estate, AZURE, days, state))
        _write_csv(folder / AZURE.slug / f"focus_{month:%Y-%m}_{state}.csv.gz", rows)
        _write_parquet(
            folder / ORACLE.slug / f"billing_period={month:%Y-%m}" / "charges.parquet",
            [_as_1_0(row) for row in _rows(estate, ORACLE, days, "final")],
        )


def _rows(estate: Estate, owner: Owner, days: DayRange, state: str) -> Iterator[dict[str, Any]]:
    for charge in estate.charges(owner, days):
        yield _row(charge, state)


def _row(charge: Charge, state: str) -> dict[str, Any]:
    owner, month = charge.owner, charge.day.replace(day=1)
    provider, issuer = _ISSUERS[owner.slug]
    category = _CATEGORIES.get(charge.category, charge.category)
    is_usage = category == "Usage"
    price = charge.list_cost / charge.quantity if charge.quantity else None
    return {
        "BilledCost": charge.billed_cost,
        "BillingAccountId": owner.number,
        "BillingAccountName": owner.name,
        "BillingAccountType": "Billing profile",
        "BillingCurrency": owner.currency,
        "BillingPeriodEnd": _time(next_month(month)),
        "BillingPeriodStart": _time(month),
        "ChargeCategory": category,
        "ChargeClass": None,
        "ChargeDescription": f"{charge.service} {charge.usage_type}".strip(),
        "ChargeFrequency": "Usage-Based" if is_usage else "Recurring",
        "ChargePeriodEnd": _time(charge.day + timedelta(days=1)),
        "ChargePeriodStart": _time(charge.day),
        "ConsumedQuantity": charge.quantity if is_usage else None,
        "ConsumedUnit": charge.unit if is_usage else None,
        "ContractedCost": charge.billed_cost,
        "EffectiveCost": charge.effective_cost,
        "InvoiceId": f"INV-{month:%Y%m}-{owner.slug}" if state == "final" else None,
        "InvoiceIssuerName": issuer,
        "ListCost": charge.list_cost,
        "ListUnitPrice": price,
        "PricingCurrency": owner.currency,
        "PricingCurrencyEffectiveCost": charge.effective_cost,
        "PricingCurrencyListUnitPrice": price,
        "PricingCategory": "Standard" if is_usage else None,
        "PricingQuantity": charge.quantity or 1,
        "PricingUnit": charge.unit or "Unit",
        "ProviderName": provider,
        "PublisherName": provider,
        "RegionId": charge.region,
        "RegionName": charge.region,
        "ResourceId": _resource(charge) if is_usage else None,
        "ResourceType": _RESOURCE_TYPES[charge.service] if is_usage else None,
        "ServiceCategory": _SERVICE_CATEGORIES.get(charge.service, "Other"),
        "ServiceName": charge.service,
        "ServiceSubcategory": None,
        "SkuId": _sku(charge) if charge.usage_type else None,
        "SkuMeter": charge.usage_type or None,
        "SkuPriceId": f"{_sku(charge)}/{owner.currency}" if charge.usage_type else None,
        "SubAccountId": f"{owner.slug}-{charge.team}",
        "SubAccountName": charge.team,
        "SubAccountType": "Subscription",
        "Tags": json.dumps({"team": charge.team, "env": "prod"}) if is_usage else None,
    }


def _as_1_0(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _NOT_IN_1_0}


def _resource(charge: Charge) -> str:
    name = charge.usage_type.lower().replace(" ", "-")
    return f"/{charge.owner.number}/{charge.region}/{charge.team}/{name}"


def _sku(charge: Charge) -> str:
    """Return an article number that is the same in every month."""
    name = f"{charge.service}/{charge.usage_type}".encode()
    return f"SKU-{zlib.crc32(name):08X}"


def _time(day: date) -> str:
    return f"{day}T00:00:00Z"


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)
    # No time stamp inside: the same month written twice is the same file.
    _replace(path, gzip.compress(text.getvalue().encode(), mtime=0))


def _write_parquet(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write decimals as text, so that no amount passes through a double."""
    table = pa.Table.from_pylist(
        [{name: _plain(value) for name, value in row.items()} for row in rows]
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    _replace(path, sink.getvalue())


def _plain(value: Any) -> str | None:
    return None if value is None else (f"{value:f}" if hasattr(value, "as_tuple") else str(value))


def _replace(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)
