"""Sources of bills that real clients fetch from emulators: AWS, Azure, Snowflake."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final

import pyarrow as pa
from pydantic import SecretStr

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.sandbox import azure, azure_lines, cost_explorer, snowflake
from astraeus_pipeline.sandbox.snowflake_faults import Fault
from benchmarks.fault_bills import (
    Charge,
    Source,
    Trouble,
    charges,
    lines_of,
    text_of,
)
from benchmarks.fault_files import FocusFiles
from benchmarks.fault_kinds import Row

_LINKED: Final = "111111111111"
_SUBSCRIPTION: Final = "11111111-2222-4333-8444-555555555555"
_MANY: Final = 1000  # faults of an emulator are used up; this is for as long as anybody asks


class CostExplorer(Source):
    """AWS: tied to the totals that Cost Explorer gives without grouping."""

    name = "aws"
    cost_name, rows_name = '"UnblendedCost"', '"results"'
    provider = PROVIDERS["aws"]
    _METRICS: Final = ("UnblendedCost", "AmortizedCost", "NetUnblendedCost", "NetAmortizedCost")

    @contextmanager
    def served(self, slug: str, refresh: int, trouble: Trouble | None = None) -> Iterator[Account]:
        """Serve a Cost Explorer; its groups come in pages of a hundred."""

        def lines(first: date, end: date) -> list[cost_explorer.Line]:
            return [self._line(c) for c in charges(self.days, refresh) if first <= c.day < end]

        with cost_explorer.CostExplorerServer(lines, lambda day: False) as server:
            server.faults.lose_last_page = trouble == "lost page"
            server.faults.broken_json = _MANY if trouble == "answer cut off" else 0
            secrets = {
                "access_key_id": SecretStr("invented"),
                "secret_access_key": SecretStr("invented"),
            }
            config = {"linked_account_id": _LINKED, "cost_explorer_endpoint_url": server.url}
            yield Account(slug, "aws", "Bench", config, lambda: secrets)

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
            for page in lines_of(self.text(fetched))
            if page["purpose"] == "details"
            for result in page["results"]
            for group in result["Groups"]
        ]

    def with_rows(self, fetched: Fetched, rows: Sequence[Row]) -> Fetched:
        pages = [page for page in lines_of(self.text(fetched)) if page["purpose"] != "details"]
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
        return self.with_text(fetched, text_of(pages))


class CostManagement(Source):
    """Azure: tied to the totals that Cost Management gives without grouping."""

    name = "azure"
    cost_name, rows_name = '"Cost"', '"rows"'
    provider = PROVIDERS["azure"]

    @contextmanager
    def served(self, slug: str, refresh: int, trouble: Trouble | None = None) -> Iterator[Account]:
        """Serve a Cost Management over TLS; its rows come in pages of two hundred."""
        found = [azure.Subscription(_SUBSCRIPTION, "Bench")]

        def lines(days: DayRange) -> list[azure_lines.Line]:
            return [self._line(c) for c in charges(self.days, refresh) if c.day in days]

        place = self.folder / f"azure-{slug}-{refresh}"
        with azure.AzureServer(lambda: found, lines, place, page_size=200) as server:
            server.faults.lose_last_page = trouble == "lost page"
            server.faults.broken_json = _MANY if trouble == "answer cut off" else 0
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
            yield Account(slug, "azure", "Bench", config, lambda: secrets)

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
        for page in lines_of(self.text(fetched)):
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
        pages = [page for page in lines_of(self.text(fetched)) if page["purpose"] != "details"]
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
        return self.with_text(fetched, text_of(pages))


class Statement(Source):
    """Snowflake: tied to the totals and counts that it sums itself from USAGE_IN_CURRENCY_DAILY."""

    name = "snowflake"
    cost_name, rows_name = '"usage_in_currency"', '"usage_date"'
    provider = PROVIDERS["snowflake"]
    _ACCOUNT: Final = "BENCH-MAIN"
    _BILLING: ClassVar = {"Usage": "consumption", "Tax": "priority support", "Credit": "rebate"}
    _key: ClassVar = snowflake.new_key()

    @contextmanager
    def served(self, slug: str, refresh: int, trouble: Trouble | None = None) -> Iterator[Account]:
        """Serve a Snowflake whose one account has the bill."""
        private, public = self._key
        users = {"ASTRAEUS": snowflake.User(public)}
        emulated = snowflake.EmulatedAccount(self._ACCOUNT, "BB11111", users=users)
        with snowflake.SnowflakeServer([emulated]) as server:
            lines = [self._line(charge) for charge in charges(self.days, refresh)]
            bill = {"organization_usage.usage_in_currency_daily": lines}
            server.fill(self._ACCOUNT, bill)
            if trouble == "lost page":
                server.faults.query = [Fault(bend=_lose_half) for _ in range(_MANY)]
            elif trouble == "answer cut off":
                server.faults.query = [Fault(bend=_cut_rows) for _ in range(_MANY)]
            config = {
                "account": self._ACCOUNT.lower(),
                "user": "astraeus",
                "warehouse": "BENCH_WH",
                "endpoint_url": server.url,
            }
            yield Account(
                slug, "snowflake", "Bench", config, lambda: {"private_key": SecretStr(private)}
            )

    def _line(self, charge: Charge) -> dict[str, str | None]:
        return {
            "organization_name": "BENCH",
            "contract_number": "C-1",
            "account_name": "MAIN",
            "account_locator": "BB11111",
            "region": "AWS_US_EAST_1",
            "service_level": "Enterprise",
            "usage_date": str(charge.day),
            "usage_type": "compute",
            "billing_type": self._BILLING[charge.kind],
            "rating_type": "compute",
            "service_type": f"SERVICE_{charge.number}",
            "is_adjustment": "false",
            "usage": str(charge.number + 1),
            "currency": "USD",
            "usage_in_currency": f"{round(charge.costs[0] * 1000, 2):f}",  # as it rounds: cents
            "balance_source": "capacity",
        }

    def rows(self, fetched: Fetched) -> list[Row]:
        kinds = {billing: kind for kind, billing in self._BILLING.items()}
        return [
            Row(
                date.fromisoformat(line["usage_date"]),
                kinds[line["billing_type"]],
                line["currency"],
                {"usage_in_currency": line["usage_in_currency"]},
                {"line": line, "quantity": line["usage"]},
            )
            for line in lines_of(self.text(fetched))
        ]

    def with_rows(self, fetched: Fetched, rows: Sequence[Row]) -> Fetched:
        lines = []
        for row in rows:
            line = row.rest["line"] | {
                "usage_date": str(row.day),
                "currency": row.currency,
                "usage": row.rest["quantity"],
            }
            del line["usage_in_currency"]
            line |= row.costs
            if row.rest.get("stranger"):
                line["account_locator"] = "ZZ99999"
            lines.append(line)
        return self.with_text(fetched, text_of(lines))


def _lose_half(answer: dict[str, Any]) -> None:
    """Keep the first half of the rows of a long answer, and what it says of their number."""
    data = answer.get("data") or {}
    if not data.get("rowsetBase64"):
        return
    table = pa.ipc.open_stream(base64.b64decode(data["rowsetBase64"])).read_all()
    if table.num_rows > 200:
        kept, sink = table.slice(0, table.num_rows // 2), io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(kept)
        data["rowsetBase64"] = base64.b64encode(sink.getvalue()).decode()


def _cut_rows(answer: dict[str, Any]) -> None:
    """Cut the Arrow bytes of a long answer in half."""
    data = answer.get("data") or {}
    text = data.get("rowsetBase64") or ""
    if len(text) > 20_000:
        data["rowsetBase64"] = text[: len(text) // 8 * 4]


TIED: Final[tuple[type[Source], ...]] = (CostExplorer, CostManagement, Statement, FocusFiles)
