"""Bills in FOCUS files, with totals in their manifest or without any."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, ClassVar, Final

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange, next_month
from astraeus_pipeline.contracts.delivery import Fetched
from astraeus_pipeline.providers.registry import PROVIDERS
from benchmarks.fault_bills import Charge, Source, Trouble, charges, next_day
from benchmarks.fault_kinds import Row


class FocusFiles(Source):
    """FOCUS 1.2 files; with totals by day in their manifest, or without any manifest."""

    name = "focus"
    cost_name, rows_name = "BilledCost", "ChargePeriodStart"
    provider = PROVIDERS["focus"]
    has_totals: ClassVar = True
    _COSTS: Final = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")

    @contextmanager
    def served(self, slug: str, refresh: int, trouble: Trouble | None = None) -> Iterator[Account]:
        """Write a folder for each month: a file for each half of its charges, and a manifest."""
        root = self.folder / f"files-{slug}-{refresh}-{self.has_totals}"
        bill = charges(self.days, refresh)
        for month in self.days.months():
            mine = [charge for charge in bill if charge.day.replace(day=1) == month]
            place = root / f"{month:%Y-%m}"
            place.mkdir(parents=True)
            for part, chosen in (
                (("a", mine[::2]), ("b", mine[1::2])) if trouble else (("a", mine),)
            ):
                text = _csv([self._line(charge) for charge in chosen])
                is_cut = trouble == "answer cut off" and month == self.in_trouble().first
                (place / f"{part}.csv").write_bytes(text[: len(text) // 2] if is_cut else text)
            if self.has_totals:
                names = [path.name for path in sorted(place.glob("*.csv"))]
                (place / "manifest.json").write_text(self._manifest(mine, names))
            if trouble == "lost page" and month == self.in_trouble().first:
                (place / "b.csv").unlink()
        yield Account(slug, "focus", "Bench", {"url": str(root)})

    def in_trouble(self) -> DayRange:
        """Return the days of the one month whose files get lost or cut."""
        return DayRange.of_month([*self.days.months()][1])

    def _manifest(self, bill: list[Charge], names: list[str]) -> str:
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
        return json.dumps({"files": [{"path": name} for name in names], "totals": totals})

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
            "ChargePeriodEnd": f"{next_day(charge.day)}T00:00:00Z",
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
                "ChargePeriodEnd": f"{next_day(row.day)}T00:00:00Z",
                "PricingQuantity": row.rest["quantity"],
                **{name: row.costs.get(name) or "" for name in self._COSTS},
            }
            if row.rest.get("stranger"):
                line["SubAccountId"] = "s-of-somebody-else"
            lines.append(line)
        return self.with_text(fetched, _csv(lines))


class BareFiles(FocusFiles):
    """FOCUS files whose issuer states no totals: money that is merely wrong cannot be seen."""

    name = "focus without totals"
    has_totals = False


def _csv(lines: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()
