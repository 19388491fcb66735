"""Data of costbench.py on the way of every bill: raw rows through the loader, dbt, marts."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import pyarrow as pa

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.columns import arrow_type
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, RowBatch
from astraeus_pipeline.warehouse.landing import StoredPayload
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from benchmarks.marts import Build, Marts
from benchmarks.scratch import Scratch

PUBLIC_SEEDS: Final = (101, 102, 103)
Bill = dict[date, list[dict[str, object]]]
_SETTLE_DAYS: Final = 3


@dataclass(frozen=True)
class Folder:
    """One generated data set; its accounts get a prefix, since two may have equal names."""

    number: int
    path: Path

    def slug(self, account_id: str) -> str:
        """Return the account's slug in the warehouse."""
        return f"{self.number}.{account_id}"

    def bills(self) -> dict[str, Bill]:
        """Return the charges of each day by account."""
        bills: dict[str, Bill] = {}
        with (self.path / "series.csv").open(newline="") as handle:
            for row in csv.DictReader(handle):
                day = date.fromisoformat(row["date"])
                charges = bills.setdefault(self.slug(row["account_id"]), {}).setdefault(day, [])
                charges.extend(_charges(row, day))
        return bills


def _charges(row: dict[str, str], day: date) -> Iterator[dict[str, object]]:
    """Yield the day's usage, and as an adjustment what was billed beside it, as tax or credits."""
    usage, total = Decimal(row["cost_usage"]), Decimal(row["cost"])
    for category, cost in (("Usage", usage), ("Adjustment", total - usage)):
        if cost or category == "Usage":
            yield {
                "usage_date": day,
                "billing_period": day.replace(day=1),
                "billing_currency": "USD",
                "billing_account_id": row["account_id"],
                "sub_account_id": row["account_id"],
                "charge_category": category,
                "service_name": row["service"],
                "charge_period_start": datetime(day.year, day.month, day.day, tzinfo=UTC),
                **dict.fromkeys(FOCUS_COSTS.cost_types, cost),
            }


def _runs(days: Sequence[date]) -> Iterator[DayRange]:
    """Yield the unbroken ranges: what is missing between them was never delivered."""
    start = 0
    for at in range(1, len(days) + 1):
        if at == len(days) or days[at] - days[at - 1] > timedelta(days=1):
            yield DayRange(days[start], days[at - 1])
            start = at


class Way:
    """Brings data through the warehouse, as of a day on which all of it has settled."""

    def __init__(self, place: Scratch, last: date) -> None:
        self.place, self.today = place, last + timedelta(days=_SETTLE_DAYS + 7)
        self.marts = Marts(place)
        self.marts.prepare()

    def deliver(self, account_id: str, bill: Bill) -> None:
        """Load the days that have charges, each unbroken range as one delivery."""
        options = LoadOptions(today=self.today, settle_days=_SETTLE_DAYS)
        with self.place.database.connect("loader", autocommit=True) as conn:
            for days in _runs(sorted(bill)):
                rows = [RowBatch(_batch([each for day in days for each in bill[day]]))]
                fetched = Fetched(account_id, "costs", days, "api", "benchmark", parts=())
                payload = StoredPayload("none", f"{account_id} {days}", 0)
                result = load(conn, FOCUS_COSTS, fetched, payload, rows.copy, options)
                assert len(result.days("replaced")) == len(days), result

    def build(self, what: str, *flags: str) -> Build:
        """Build the models over what was delivered."""
        return self.marts.build(what, *flags, "--vars", f"{{today: '{self.today}'}}")


def _batch(charges: Sequence[dict[str, object]]) -> pa.RecordBatch:
    columns = {
        column.name: pa.array(
            [
                number if column.name == "row_number" else charge.get(column.name)
                for number, charge in enumerate(charges, 1)
            ],
            arrow_type(column.type, 12),
        )
        for column in FOCUS_COSTS.row_columns
    }
    return pa.record_batch(columns)
