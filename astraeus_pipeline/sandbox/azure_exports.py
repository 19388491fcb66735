"""Cost exports as Azure writes them into Blob Storage: runs of a month, each with a manifest.

FOCUS, and actual and amortized under the headers of three generations. Folders and manifests follow
Microsoft's published example: <export>/<first>-<last>/<run>/part_0_0001.csv beside manifest.json.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

from astraeus_pipeline.contracts.days import DayRange, next_month
from astraeus_pipeline.sandbox import azure_lines
from astraeus_pipeline.sandbox.azure_lines import Line
from astraeus_pipeline.sandbox.estate import FABRIKAM_DATA, Estate

Kind = Literal["actual", "amortized", "focus"]
Generation = Literal["legacy", "enterprise", "customer"]
EXPORTED: Final = FABRIKAM_DATA  # whose bill the demo reads from an export
CONTAINER, EXPORT = "exports", "fabrikam-focus"
_BILLING_ACCOUNT: Final = "5d3f8f2e-9d0a-4a8e-8c11-3b5f6c7d8e01"
_PROFILE: Final = "FABR-IKAM-BG1-PGB"
_TYPES: Final = {"actual": "ActualCost", "amortized": "AmortizedCost", "focus": "FocusCost"}
_COMMITTED: Final = ("Reservation", "SavingsPlan")
Row = dict[str, str]


def write(estate: Estate, folder: Path, today: date) -> None:
    """Write what the exported subscription's FOCUS export has delivered by `today`.

    A closed month has a second run with its invoice, as Azure rewrites it in the days after.
    """
    last = today - timedelta(days=1)
    for month in DayRange(estate.first_day, last).months():
        days = DayRange(max(month, estate.first_day), min(DayRange.of_month(month).last, last))
        lines = [
            line
            for line in azure_lines.lines(estate, today, days)
            if line.subscription == EXPORTED.number
        ]
        is_final = estate.is_final(month)
        delay = timedelta(days=4 if is_final else 1, hours=5)
        written = datetime.combine(days.last, time.min, UTC) + delay
        invoice = f"G{month:%Y%m}" if is_final else None
        write_run(
            folder / CONTAINER,
            EXPORT,
            "focus",
            month,
            written,
            lines,
            is_compressed=True,
            invoice=invoice,
        )


def write_run(
    folder: Path,
    export: str,
    kind: Kind,
    month: date,
    submitted: datetime,
    lines: Iterable[Line],
    *,
    generation: Generation = "customer",
    rows_per_blob: int = 5_000,
    is_compressed: bool = False,
    invoice: str | None = None,
) -> Path:
    """Write one run of an export of a month into `folder`/`export`, and return its folder."""
    rows = [row for line in lines if (row := _row(line, kind, generation, invoice)) is not None]
    days = DayRange.of_month(month)
    run = folder / export / f"{days.first:%Y%m%d}-{days.last:%Y%m%d}" / f"{submitted:%Y%m%d%H%M}"
    run.mkdir(parents=True, exist_ok=True)
    blobs = []
    for number, start in enumerate(range(0, max(len(rows), 1), rows_per_blob), 1):
        part = rows[start : start + rows_per_blob]
        content = _csv(part, list(_header(kind, generation)))
        name = f"part_0_{number:04}.csv"
        if is_compressed:
            content, name = gzip.compress(content, mtime=0), f"{name}.gz"
        (run / name).write_bytes(content)
        path = (run / name).relative_to(folder).as_posix()
        blobs.append({"blobName": path, "byteCount": len(content), "dataRowCount": len(part)})
    manifest = _manifest(export, kind, days, submitted, blobs)
    (run / "manifest.json").write_text(json.dumps(manifest, indent=2))
    return run


def _manifest(
    export: str, kind: Kind, days: DayRange, submitted: datetime, blobs: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "manifestVersion": "2024-04-01",
        "byteCount": sum(each["byteCount"] for each in blobs),
        "blobCount": len(blobs),
        "dataRowCount": sum(each["dataRowCount"] for each in blobs),
        "exportConfig": {
            "exportName": export,
            "dataVersion": "1.2-preview" if kind == "focus" else "2023-05-01",
            "type": _TYPES[kind],
            "timeFrame": "MonthToDate",
            "granularity": "Daily",
        },
        "deliveryConfig": {
            "partitionData": True,
            "dataOverwriteBehavior": "CreateNewReport",
            "fileFormat": "Csv",
        },
        "runInfo": {
            "executionType": "Scheduled",
            "submittedTime": f"{submitted:%Y-%m-%dT%H:%M:%S.%f}0Z",
            "runId": f"{submitted:%Y%m%d%H%M}",
            "startDate": f"{days.first}T00:00:00",
            "endDate": f"{days.last}T00:00:00",
        },
        "blobs": blobs,
    }


def _csv(rows: list[Row], header: list[str]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, header)
    writer.writeheader()
    writer.writerows(rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode()  # Azure puts a BOM in front


def _row(line: Line, kind: Kind, generation: Generation, invoice: str | None) -> Row | None:
    cost = line.actual if kind == "actual" else line.amortized
    if kind != "focus" and cost is None:
        return None
    if kind == "focus":
        return _focus(line, invoice)
    values = _details(line, cost or Decimal(0), invoice)
    return {name: values.get(key, "") for name, key in _HEADERS[generation].items()}


def _header(kind: Kind, generation: Generation) -> Iterable[str]:
    return _FOCUS if kind == "focus" else _HEADERS[generation]


def _details(line: Line, cost: Decimal, invoice: str | None) -> dict[str, str]:
    """Return a line's values by our own words; `_HEADERS` says what each generation calls them."""
    month = line.day.replace(day=1)
    path = line.resource_id.split("/")
    is_used = line.resource_id.lower().startswith("/subscriptions/")
    price = (cost / line.quantity).quantize(Decimal("1e-12")) if line.quantity else Decimal(0)
    return {
        "billing_account": _BILLING_ACCOUNT,
        "billing_account_name": "Fabrikam",
        "profile": _PROFILE,
        "profile_name": "Fabrikam EU",
        "invoice": invoice or "",
        "month_start": f"{month:%m/%d/%Y}",
        "month_end": f"{next_month(month) - timedelta(days=1):%m/%d/%Y}",
        "day": f"{line.day:%m/%d/%Y}",
        "subscription": line.subscription,
        "subscription_name": "Fabrikam",
        "group": path[4] if is_used else "",
        "resource": line.resource_id,
        "resource_name": path[-1] if is_used else "",
        "location": line.location,
        "consumed": path[6] if is_used else "Microsoft.Capacity",
        "category": line.service,
        "subcategory": line.subcategory,
        "meter": line.meter,
        "meter_id": line.meter_id,
        "product": f"{line.service} - {line.meter}",
        "unit": line.unit,
        "quantity": f"{line.quantity:f}",
        "effective_price": f"{price:f}",
        "unit_price": f"{line.unit_price:f}",
        "list_price": "0",
        "cost": f"{cost:f}",
        "currency": line.currency,
        "charge_type": line.charge_type,
        "frequency": "Recurring" if line.charge_type == "Purchase" else "UsageBased",
        "model": line.pricing_model,
        "publisher_type": "Azure",
        "publisher": "Microsoft",
        "reservation": line.benefit_id.rpartition("/")[2],
        "benefit": line.benefit_id,
        "benefit_name": line.benefit_name,
        "tags": '"env": "prod"' if is_used else "",  # without braces, as Azure writes them
    }


_LEGACY: Final = {
    "SubscriptionGuid": "subscription",
    "ResourceGroup": "group",
    "ResourceLocation": "location",
    "UsageDateTime": "day",
    "MeterCategory": "category",
    "MeterSubcategory": "subcategory",
    "MeterId": "meter_id",
    "MeterName": "meter",
    "UsageQuantity": "quantity",
    "ResourceRate": "effective_price",
    "PreTaxCost": "cost",
    "ConsumedService": "consumed",
    "InstanceId": "resource",
    "Tags": "tags",
    "Currency": "currency",
    "UnitOfMeasure": "unit",
    "ReservationId": "reservation",
    "ChargeType": "charge_type",
}
_SHARED: Final = {
    "BillingAccountId": "billing_account",
    "BillingAccountName": "billing_account_name",
    "BillingPeriodStartDate": "month_start",
    "BillingPeriodEndDate": "month_end",
    "SubscriptionId": "subscription",
    "SubscriptionName": "subscription_name",
    "Date": "day",
    "MeterId": "meter_id",
    "MeterCategory": "category",
    "MeterSubCategory": "subcategory",
    "MeterName": "meter",
    "Quantity": "quantity",
    "EffectivePrice": "effective_price",
    "UnitPrice": "unit_price",
    "ResourceLocation": "location",
    "ConsumedService": "consumed",
    "ResourceId": "resource",
    "Tags": "tags",
    "UnitOfMeasure": "unit",
    "ReservationId": "reservation",
    "PublisherName": "publisher",
    "ChargeType": "charge_type",
    "Frequency": "frequency",
    "PublisherType": "publisher_type",
    "PayGPrice": "list_price",
    "PricingModel": "model",
    "benefitId": "benefit",
    "benefitName": "benefit_name",
}
_HEADERS: Final[Mapping[Generation, Mapping[str, str]]] = {
    "legacy": _LEGACY,
    "enterprise": {
        **_SHARED,
        "Product": "product",
        "Cost": "cost",
        "BillingCurrency": "currency",
        "ResourceGroup": "group",
        "ResourceName": "resource_name",
    },
    "customer": {
        **{name[0].lower() + name[1:]: key for name, key in _SHARED.items()},
        "invoiceId": "invoice",
        "billingProfileId": "profile",
        "billingProfileName": "profile_name",
        "resourceGroupName": "group",
        "productName": "product",
        "billingCurrency": "currency",
        "costInBillingCurrency": "cost",
        "provider": "publisher",
    },
}
_FOCUS: Final = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
    "x_ResourceGroupName",
    "x_SkuMeterCategory",
    "x_PricingBlockSize",
)
_FOCUS_SERVICES: Final = {
    "Storage": ("Storage Accounts", "Storage"),
    "SQL Database": ("Azure SQL Database", "Databases"),
    "Virtual Machines": ("Virtual Machines", "Compute"),
    "Bandwidth": ("Bandwidth", "Networking"),
    "Azure Databricks": ("Azure Databricks", "Analytics"),
    "Azure Database for PostgreSQL": ("Azure Database for PostgreSQL", "Databases"),
    "Log Analytics": ("Azure Monitor", "Management and Governance"),
}
_REGIONS: Final = {
    "EU West": ("westeurope", "West Europe"),
    "EU North": ("northeurope", "North Europe"),
}


def _focus(line: Line, invoice: str | None) -> Row:
    """Return a line as Azure's FOCUS export has it, with the gaps that it is known for.

    List and contracted prices are 0 where the price sheet tells none, as for what a commitment
    covers; purchases have neither description nor service.
    """
    is_usage = line.charge_type == "Usage" or line.charge_type.startswith("Unused")
    is_committed = line.pricing_model in _COMMITTED
    month = line.day.replace(day=1)
    service, category = _FOCUS_SERVICES.get(line.service, (line.service, "Other"))
    region, region_name = _REGIONS.get(line.location, ("", ""))
    path = line.resource_id.split("/")
    is_resource = line.resource_id.lower().startswith("/subscriptions/")
    billed = line.actual or Decimal(0)
    listed = Decimal(0) if is_committed else billed
    price = Decimal(0) if is_committed else line.unit_price
    values: dict[str, Any] = {
        "BilledCost": billed,
        "BillingAccountId": f"/providers/Microsoft.Billing/billingAccounts/{_BILLING_ACCOUNT}",
        "BillingAccountName": "Fabrikam",
        "BillingAccountType": "Billing Profile",
        "BillingCurrency": line.currency,
        "BillingPeriodEnd": f"{next_month(month)}T00:00:00Z",
        "BillingPeriodStart": f"{month}T00:00:00Z",
        "ChargeCategory": "Usage" if is_usage else "Purchase",
        "ChargeDescription": f"{line.service} - {line.meter}" if is_usage else None,
        "ChargeFrequency": "Usage-Based" if is_usage else "Recurring",
        "ChargePeriodEnd": f"{line.day + timedelta(days=1)}T00:00:00Z",
        "ChargePeriodStart": f"{line.day}T00:00:00Z",
        "ConsumedQuantity": line.quantity if line.charge_type == "Usage" else None,
        "ConsumedUnit": line.unit if line.charge_type == "Usage" else None,
        "ContractedCost": listed,
        "ContractedUnitPrice": price,
        "EffectiveCost": line.amortized or Decimal(0),
        "InvoiceId": invoice,
        "InvoiceIssuerName": "Microsoft",
        "ListCost": listed,
        "ListUnitPrice": price,
        "PricingCategory": ("Committed" if is_committed else "Standard") if is_usage else None,
        "PricingCurrency": line.currency,
        "PricingQuantity": line.quantity,
        "PricingUnit": line.unit,
        "ProviderName": "Microsoft",
        "PublisherName": "Microsoft" if is_usage else None,
        "RegionId": region,
        "RegionName": region_name,
        "ResourceId": line.resource_id,
        "ResourceName": path[-1] if is_resource else None,
        "ResourceType": "/".join(path[6:8]) if is_resource else None,
        "ServiceCategory": category,
        "ServiceName": service if is_usage else None,
        "SkuId": line.meter_id,
        "SkuMeter": line.meter,
        "SubAccountId": f"/subscriptions/{line.subscription}",
        "SubAccountName": "Fabrikam",
        "SubAccountType": "Subscription",
        "Tags": '{"env":"prod"}' if is_resource else None,
        "x_ResourceGroupName": path[4] if is_resource else None,
        "x_SkuMeterCategory": line.service,
    }
    if is_committed:
        values |= {
            "CommitmentDiscountCategory": "Usage",
            "CommitmentDiscountId": line.benefit_id,
            "CommitmentDiscountName": line.benefit_name,
            "CommitmentDiscountStatus": ("Unused" if "Unused" in line.charge_type else "Used")
            if is_usage
            else None,
            "CommitmentDiscountType": "Reservation",
        }
    return {name: _plain(values.get(name)) for name in _FOCUS}


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return "" if value is None else str(value)
