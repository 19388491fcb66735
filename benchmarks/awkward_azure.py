"""Azure's actual and amortized exports, already paired: commitments, blocks of units, no prices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import numpy as np
import pyarrow as pa

from astraeus_pipeline.contracts.azure import AZURE_COSTS_EXPORT
from astraeus_pipeline.contracts.days import DayRange
from benchmarks.awkward_cur import column_of

# As many as a product may have in all.
_DECIMALS: Final = {"quantity": 16, "unit_price": 8, "pay_g_price": 8}
_SUBSCRIPTION: Final = "/subscriptions/0A-1/resourceGroups/Web"
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "export_type": ("amortized", "amortized", "actual", "difference"),
    "billing_account_id": ("1", "2"),
    "billing_profile_id": ("1", "3"),
    "billing_currency": ("USD", "EUR"),
    "pricing_currency": ("USD", "EUR"),
    "resource_id": (
        f"{_SUBSCRIPTION}/providers/Microsoft.Sql/servers/A/databases/B",
        f"{_SUBSCRIPTION}/providers/Microsoft.Compute/virtualMachines/Vm-1",
        f"{_SUBSCRIPTION}/providers/Microsoft.Compute",
        _SUBSCRIPTION,
        "Trailing/",
    ),
    "resource_location": ("EU West", "eastus", "US East 2", "Global", "Unassigned", "", "Zürich"),
    "unit_of_measure": (
        *("1 Hour", "100 Hours", "10K", "1M", "1/Month", "1 GB/Month", "10 GB", "1.5 Day"),
        *("  1 Minute", "1K /Day", "Hours", "Stück", "1B", "10K Transactions", "1 IOPS_Hour"),
    ),
    "charge_type": (
        *("Usage", "Usage", "UnusedReservation", "UnusedSavingsPlan", "Purchase", "Refund"),
        *("Tax", "Credit", "RoundingAdjustment"),
    ),
    "frequency": ("UsageBased", "Recurring", "OneTime"),
    "pricing_model": ("OnDemand", "Reservation", "SavingsPlan", "Savings Plan", "Spot"),
    "benefit_id": ("/providers/Microsoft.BillingBenefits/SavingsPlanOrders/1", "/providers/r/2"),
    "tags": ('{"Team": "a", "cost center": "ü"}', "{}", '{"n": null, "k": "\\"q\\""}'),
}


def export_rows(number: int, days: DayRange, rows_per_day: int) -> Iterator[pa.RecordBatch]:
    """Yield an account's month in the raw table's columns; equal for equal arguments."""
    rng, rows = np.random.default_rng([number, 5]), rows_per_day * len(days)
    first = days.first.toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    ordinals = np.repeat(np.arange(first, first + len(days)), rows_per_day)
    usage_date = pa.array(ordinals.astype(np.int32)).cast(pa.date32())
    period = pa.repeat(pa.scalar(days.first), rows)
    keys: dict[str, pa.Array] = {
        "usage_date": usage_date,
        "charge_date": usage_date,
        "billing_period": period,
        "billing_period_start_date": period,
        "billing_period_end_date": pa.repeat(pa.scalar(days.last), rows),
        "row_number": pa.array(np.arange(1, rows + 1)),
    }
    yield pa.record_batch(
        {
            column.name: keys[column.name]
            if column.name in keys
            else column_of(
                column,
                rng,
                rows,
                _WORDS,
                {"billing_currency", "charge_type"},
                _DECIMALS.get(column.name, 18),
            )
            for column in AZURE_COSTS_EXPORT.row_columns
        }
    )
