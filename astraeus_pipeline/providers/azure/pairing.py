"""The actual and the amortized export of a month, held against each other.

They tell the same charges twice: what no commitment has paid costs the same in both. Where they
differ (one is older, one lost rows) the difference becomes a row of its own, so that the rows' sums
stay those of the two files, and their `unmatched_cost` says how far the two contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.azure import AZURE_COSTS_EXPORT
from astraeus_pipeline.contracts.columns import DECIMAL_SCALES, arrow_type
from astraeus_pipeline.contracts.delivery import RowBatch
from astraeus_pipeline.providers.azure.dialects import buys_commitments

DIFFERENCE: Final = "Difference"
_KEYS: Final = (
    *("usage_date", "billing_currency", "meter_category"),
    *("billing_account_id", "billing_profile_id", "subscription_id"),
)
# What a row of difference says besides, from the first charge of its kind.
_DESCRIBED: Final = (
    *("billing_period", "charge_date", "billing_period_start_date", "billing_period_end_date"),
    *("billing_account_name", "billing_profile_name", "subscription_name"),
    *("invoice_id", "publisher_name"),
)
_ABOUT: Final = "Billed by the actual export beyond the charges of the amortized one"

Key = tuple[Any, ...]


@dataclass
class Pairing:
    """Takes the batches of both exports and tells what they do not have in common.

    Memory grows with days x subscriptions x services, not with rows.
    """

    _amounts: dict[Key, Decimal] = field(default_factory=dict)
    _charges: dict[Key, dict[str, Any]] = field(default_factory=dict)
    _last_number: int = 0

    def take(self, batch: RowBatch) -> RowBatch:
        """Add up a batch of one export and return the rows of it that stand in raw."""
        rows = batch.rows
        numbers = [each.row_number for each in batch.rejects]
        if rows.num_rows:
            numbers.append(pc.max(rows.column("row_number")).as_py())
        self._last_number = max([self._last_number, *numbers])
        if not rows.num_rows:
            return batch
        if rows.column("export_type")[0].as_py() == "amortized":
            self._add(rows, -1)
            return batch
        bought = pc.fill_null(
            buys_commitments(dict(zip(rows.schema.names, rows, strict=True))), False
        )
        self._add(rows.filter(pc.invert(bought)), 1)
        return RowBatch(rows.filter(bought), batch.rejects)

    def differences(self) -> Iterator[RowBatch]:
        """Yield a batch with the differences of a cost, if there is any."""
        found = sorted((key for key, amount in self._amounts.items() if amount), key=str)
        if not found:
            return
        amounts = [self._amounts[key] for key in found]
        rows = [
            {
                **self._charges[key],
                "row_number": number,
                "export_type": "difference",
                "charge_type": DIFFERENCE,
                "product_name": _ABOUT,
                "cost_in_billing_currency": amount,
                "actual_cost": amount,
                "unmatched_cost": amount.copy_abs(),
            }
            for number, (key, amount) in enumerate(
                zip(found, amounts, strict=True), self._last_number + 1
            )
        ]
        yield RowBatch(pa.RecordBatch.from_pylist(rows, schema=_schema(amounts)))

    def _add(self, rows: pa.RecordBatch, sign: int) -> None:
        cost = rows.column("actual_cost")
        table = pa.table(
            {
                **{name: rows.column(name) for name in _KEYS},
                # 38 digits may not hold the sum of amounts with 30 decimals.
                "cost": cost.cast(pa.decimal256(76, cost.type.scale)),
                "index": pa.array(range(rows.num_rows), pa.int64()),
            }
        )
        sums = table.group_by(list(_KEYS)).aggregate([("cost", "sum"), ("index", "min")])
        charges = rows.select([*_KEYS, *_DESCRIBED]).take(sums["index_min"].combine_chunks())
        for amount, charge in zip(sums["cost_sum"].to_pylist(), charges.to_pylist(), strict=True):
            # Azure spells ids now in one case, now in another.
            key = tuple(
                each.lower() if isinstance(each, str) else each
                for each in (charge[name] for name in _KEYS)
            )
            signed = amount if sign > 0 else -amount
            self._amounts[key] = money.add(self._amounts.get(key, money.ZERO), signed)
            self._charges.setdefault(key, charge)


def _schema(amounts: list[Decimal]) -> pa.Schema:
    """Return the raw table's schema at a scale that holds the amounts."""
    wanted = max(money.decimals(amount) for amount in amounts)
    scale = next(each for each in DECIMAL_SCALES if each >= wanted)
    return pa.schema(
        [
            pa.field(column.name, arrow_type(column.type, scale), nullable=column.nullable)
            for column in AZURE_COSTS_EXPORT.row_columns
        ]
    )
