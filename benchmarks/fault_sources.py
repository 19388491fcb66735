"""Three sources of bills, fetched by their real clients, whose payloads can be taken apart."""

from __future__ import annotations

import csv
import io
import json
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange, next_month
from astraeus_pipeline.contracts.delivery import Fetched
from astraeus_pipeline.providers.base import Provider
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.sandbox import azure, azure_lines, cost_explorer
from astraeus_pipeline.warehouse.landing import LandingStore
from benchmarks.fault_kinds import Row

KINDS: Final = ("Usage", "Usage", "Usage", "Usage", "Usage", "Usage", "Tax", "Credit")
_LINKED: Final = "111111111111"
_SUBSCRIPTION: Final = "11111111-2222-4333-8444-555555555555"


class Charge:
    """One invented charge: four different costs, ten decimals each."""

    def __init__(self, day: date, number: int, kind: str, draw: random.Random) -> None:
        self.day, self.number, self.kind = day, number, kind
        sign = -1 if kind == "Credit" else 1
        self.costs = [sign * Decimal(draw.randint(10**10, 10**12)).scaleb(-10) for _ in range(4)]


def charges(days: DayRange, refresh: int) -> list[Charge]:
    """Return a bill of the days; a later refresh has every ninth day otherwise."""
    found = []
    for position, day in enumerate(days):
        changed = refresh if position % 9 == 4 else 0
        draw = random.Random(f"{day} {changed}")
        found += [Charge(day, number, kind, draw) for number, kind in enumerate(KINDS)]
    return found


class Source(ABC):
    """A provider with two refreshes of one bill; `rows` and `with_rows` take a payload apart."""

    provider: Provider

    def __init__(self, days: DayRange, store: LandingStore, folder: Path) -> None:
        self.days, self.store = days, store
        self.older, self.newer = (self._fetched(folder, refresh) for refresh in (0, 1))

    @abstractmethod
    def _fetched(self, folder: Path, refresh: int) -> list[Fetched]:
        """Fetch a refresh with the real client."""

    @abstractmethod
    def rows(self, fetched: Fetched) -> list[Row]:
        """Take the payload apart."""

    @abstractmethod
    def with_rows(self, fetched: Fetched, rows: Sequence[Row]) -> Fetched:
        """Store the rows as a payload in the provider's form; totals stay as they were stated."""

    def text(self, fetched: Fetched) -> bytes:
        """Return the bytes of the first part."""
        with self.store.open(fetched.parts[0]) as handle:
            return handle.read()

    def with_text(self, fetched: Fetched, text: bytes, *more: bytes) -> Fetched:
        """Store other bytes as the payload."""
        name, kind = fetched.parts[0].name, fetched.parts[0].media_type
        parts = tuple(self.store.put(name, [each], kind) for each in (text, *more))
        return replace(fetched, parts=parts)


def _pages(text: bytes) -> list[dict[str, Any]]:
    return [json.loads(line, parse_float=Decimal) for line in text.splitlines()]


def _lines(pages: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(page, default=str).encode() + b"\n" for page in pages)


class CostExplorer(Source):
    """AWS: tied to the totals that Cost Explorer gives without grouping."""

    provider = PROVIDERS["aws"]
    _METRICS: Final = ("UnblendedCost", "AmortizedCost", "NetUnblendedCost", "NetAmortizedCost")

    def _fetched(self, folder: Path, refresh: int) -> list[Fetched]:
        del folder

        def lines(first: date, end: date) -> list[cost_explorer.Line]:
            return [self._line(c) for c in charges(self.days, refresh) if first <= c.day < end]

        with cost_explorer.CostExplorerServer(lines, lambda day: False) as server:
            secrets = {
                "access_key_id": SecretStr("invented"),
                "secret_access_key": SecretStr("invented"),
            }
            config = {"linked_account_id": _LINKED, "cost_explorer_endpoint_url": server.url}
            account = Account("bench", "aws", "Bench", config, lambda: secrets)
            return list(self.provider.fetch(account, "costs", self.days, self.store))

    def _line(self, charge: Charge) -> cost_explorer.Line:
        return cost_explorer.Line(
            charge.day,
            _LINKED,
            charge.kind,
            "us-east-1",
            f"Service {charge.number}",
            f"Type {charge.number}",
            *charge.costs,
            quantity=Decimal(charge.number + 1),
            unit="Hrs",
        )

    def rows(self, fetched: Fetched) -> list[Row]:
        return [
            Row(
                date.fromisoformat(result["TimePeriod"]["Start"]),
                page["filters"]["RECORD_TYPE"],
                group["Metrics"]["UnblendedCost"]["Unit"],
                {name: group["Metrics"][name]["Amount"] for name in self._METRICS},
                {
                    "filters": page["filters"],
                    "keys": group["Keys"],
                    "quantity": group["Metrics"]["UsageQuantity"]["Amount"],
                },
            )
            for page in _pages(self.text(fetched))
            if page["purpose"] == "details"
            for result in page["results"]
            for group in result["Groups"]
        ]

    def with_rows(self, fetched: Fetched, rows: Sequence[Row]) -> Fetched:
        pages = [page for page in _pages(self.text(fetched)) if page["purpose"] != "details"]
        for row in rows:
            filters = dict(row.rest["filters"])
            if row.rest.get("stranger"):
                filters["LINKED_ACCOUNT"] = "222222222222"
            metrics = {
                name: {"Amount": cost, "Unit": row.currency} for name, cost in row.costs.items()
            }
            metrics["UsageQuantity"] = {"Amount": row.rest["quantity"], "Unit": "Hrs"}
            result = {
                "TimePeriod": {"Start": str(row.day)},
                "Groups": [{"Keys": row.rest["keys"], "Metrics": metrics}],
                "Estimated": False,
            }
            pages.append({"purpose": "details", "filters": filters, "results": [result]})
        return self.with_text(fetched, _lines(pages))


class CostManagement(Source):
    """Azure: tied to the totals that Cost Management gives without grouping."""

    provider = PROVIDERS["azure"]

    def _fetched(self, folder: Path, refresh: int) -> list[Fetched]:
        found = [azure.Subscription(_SUBSCRIPTION, "Bench")]

        def lines(days: DayRange) -> list[azure_lines.Line]:
            return [self._line(c) for c in charges(self.days, refresh) if c.day in days]

        place = folder / f"azure-{refresh}"
        with azure.AzureServer(lambda: found, lines, place, page_size=1000) as server:
            secrets = {"client_secret": SecretStr(azure.SECRET)}
            config = {
                "tenant_id": azure.TENANT,
                "client_id": azure.CLIENT,
                "subscription_id": _SUBSCRIPTION,
                "authority": server.url,
                "endpoint_url": server.url,
                "ca_bundle": str(server.ca_path),
                "units_per_minute": 1_000_000,
            }
            account = Account("bench", "azure", "Bench", config, lambda: secrets)
            return list(self.provider.fetch(account, "costs", self.days, self.store))

    def _line(self, charge: Charge) -> azure_lines.Line:
        service, meter = f"Service {charge.number}", f"Meter {charge.number}"
        place = f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/rg/providers/Bench/things"
        # Doubles carry fifteen digits: what Azure rounds cannot be told from a fault.
        actual, amortized = (round(cost, 8) for cost in charge.costs[:2])
        return azure_lines.Line(
            charge.day,
            _SUBSCRIPTION,
            charge.kind,
            "OnDemand",
            service,
            "Sub",
            meter,
            azure_lines.meter_id(service, meter),
            "1 Hour",
            f"{place}/{charge.number}",
            "West Europe",
            Decimal(charge.number + 1),
            actual,
            amortized,
        )

    def rows(self, fetched: Fetched) -> list[Row]:
        found = []
        for page in _pages(self.text(fetched)):
            for row in page["rows"] if page["purpose"] == "details" else ():
                cells = dict(zip(page["columns"], row, strict=True))
                day = datetime.strptime(str(cells["UsageDate"]), "%Y%m%d").date()  # noqa: DTZ007
                rest = {
                    "filters": page["filters"],
                    "ids": [cells["ResourceId"], cells["ResourceGuid"]],
                    "quantity": cells["UsageQuantity"],
                }
                kind = page["filters"]["ChargeType"]
                costs = {page["type"]: str(cells["Cost"])}
                found.append(Row(day, kind, cells["Currency"], costs, rest))
        return found

    def with_rows(self, fetched: Fetched, rows: Sequence[Row]) -> Fetched:
        pages = [page for page in _pages(self.text(fetched)) if page["purpose"] != "details"]
        columns = ["UsageDate", "ResourceId", "ResourceGuid", "Currency", "UsageQuantity"]
        for row in rows:
            ids = list(row.rest["ids"])
            if row.rest.get("stranger"):
                ids[0] = ids[0].replace("11111111", "99999999")
            cells = [int(f"{row.day:%Y%m%d}"), *ids, row.currency, row.rest["quantity"]]
            for name, cost in row.costs.items() or (("ActualCost", None),):
                pages.append(
                    {
                        "subscription": _SUBSCRIPTION,
                        "purpose": "details",
                        "type": name,
                        "filters": row.rest["filters"],
                        "group_by": ["ResourceId", "ResourceGuid"],
                        "columns": columns if not row.costs else [*columns, "Cost"],
                        "rows": [cells if not row.costs else [*cells, cost]],
                    }
                )
        return self.with_text(fetched, _lines(pages))


class FocusFiles(Source):
    """FOCUS 1.2 files; with totals by day in their manifest, or without any manifest."""

    provider = PROVIDERS["focus"]
    has_totals = True
    _COSTS: Final = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")

    def _fetched(self, folder: Path, refresh: int) -> list[Fetched]:
        root = folder / f"{type(self).__name__}-{refresh}"
        bill = charges(self.days, refresh)
        for month in self.days.months():
            mine = [charge for charge in bill if charge.day.replace(day=1) == month]
            place = root / f"{month:%Y-%m}"
            place.mkdir(parents=True)
            (place / "charges.csv").write_bytes(_csv([self._line(charge) for charge in mine]))
            if self.has_totals:
                (place / "manifest.json").write_text(self._manifest(mine))
        account = Account("bench", "focus", "Bench", {"url": str(root)})
        return list(self.provider.fetch(account, "costs", self.days, self.store))

    def _manifest(self, bill: list[Charge]) -> str:
        totals = [
            {
                "day": str(day),
                "currency": "USD",
                **{
                    name: str(sum(c.costs[place] for c in bill if c.day == day))
                    for place, name in enumerate(self._COSTS)
                },
            }
            for day in sorted({charge.day for charge in bill})
        ]
        return json.dumps({"files": [{"path": "charges.csv"}], "totals": totals})

    def _line(self, charge: Charge) -> dict[str, Any]:
        month = charge.day.replace(day=1)
        return {
            "BillingAccountId": "b-1",
            "BillingAccountName": "Bench",
            "BillingCurrency": "USD",
            "BillingPeriodStart": f"{month}T00:00:00Z",
            "BillingPeriodEnd": f"{next_month(month)}T00:00:00Z",
            "ChargeCategory": charge.kind,
            "ChargeClass": "",
            "ChargeDescription": f"Charge {charge.number}",
            "ChargePeriodStart": f"{charge.day}T00:00:00Z",
            "ChargePeriodEnd": f"{charge.day + timedelta(days=1)}T00:00:00Z",
            "InvoiceIssuerName": "Bench",
            "PricingQuantity": str(charge.number + 1),
            "PricingUnit": "Hours",
            "ProviderName": "Bench",
            "PublisherName": "Bench",
            "ServiceCategory": "Compute",
            "ServiceName": f"Service {charge.number}",
            "SubAccountId": "s-1",
            **{name: f"{cost:f}" for name, cost in zip(self._COSTS, charge.costs, strict=True)},
        }

    def rows(self, fetched: Fetched) -> list[Row]:
        reader = csv.DictReader(io.StringIO(self.text(fetched).decode()))
        return [
            Row(
                date.fromisoformat(line["ChargePeriodStart"][:10]),
                line["ChargeCategory"],
                line["BillingCurrency"],
                {name: line[name] for name in self._COSTS},
                {"line": line, "quantity": line["PricingQuantity"]},
            )
            for line in reader
        ]

    def with_rows(self, fetched: Fetched, rows: Sequence[Row]) -> Fetched:
        lines = []
        for row in rows:
            line = row.rest["line"] | {
                "BillingCurrency": row.currency or "",
                "ChargePeriodStart": f"{row.day}T00:00:00Z",
                "ChargePeriodEnd": f"{row.day + timedelta(days=1)}T00:00:00Z",
                "PricingQuantity": row.rest["quantity"],
                **{name: row.costs.get(name) or "" for name in self._COSTS},
            }
            if row.rest.get("stranger"):
                line["SubAccountId"] = "s-of-somebody-else"
            lines.append(line)
        return self.with_text(fetched, _csv(lines))


class BareFiles(FocusFiles):
    """FOCUS files whose issuer states no totals: money that is merely wrong cannot be seen."""

    has_totals = False


def _csv(lines: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()


@contextmanager
def sources(days: DayRange, store: LandingStore, folder: Path) -> Iterator[list[Source]]:
    """Fetch two refreshes of each source's bill."""
    kinds: tuple[type[Source], ...] = (CostExplorer, CostManagement, FocusFiles, BareFiles)
    yield [kind(days, store, folder) for kind in kinds]
