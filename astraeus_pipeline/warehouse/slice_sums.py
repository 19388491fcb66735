"""Exact sums of FOCUS costs per slice and currency, over line items or over daily costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.contracts.line_items import LEFT_OUT, TIED_COSTS
from astraeus_pipeline.warehouse.survey import Slice

_WIDE: Final = 76
# A null currency has no place among JSON's keys.
_UNKNOWN: Final = "?"
_SLICE: Final = ("usage_date", "billing_period")
Sums = dict[str, dict[str, str]]  # currency -> cost -> amount, spelled without trailing zeros
Key = tuple[Any, ...]
_Found = dict[Key, dict[tuple[str, str], Decimal]]


class SliceSums:
    """Counts and sums of a raw table's line items as staging has them.

    Each FOCUS cost is the first of its columns that is given; what staging leaves out is left out.
    """

    def __init__(self, table: RawTable) -> None:
        self._costs = TIED_COSTS[table.name]
        self._currency = str(table.currency)
        self._left_out = LEFT_OUT.get(table.name)
        self._rows: Counter[Key] = Counter()
        self._found: _Found = {}

    def add(self, rows: pa.RecordBatch) -> None:
        """Add the rows of a batch."""
        if self._left_out:
            rows = rows.filter(pc.is_null(rows.column(self._left_out)))
        counted = pa.table({name: rows.column(name) for name in _SLICE}).group_by([*_SLICE])
        for row in counted.aggregate([([], "count_all")]).to_pylist():
            self._rows[tuple(row[name] for name in _SLICE)] += row["count_all"]
        given = {
            cost: pc.coalesce(*(rows.column(name) for name in columns))
            for cost, columns in self._costs.items()
        }
        _add(self._found, rows, _SLICE, self._currency, given)

    def rows(self, each: Slice) -> int:
        """Return the line items of one slice."""
        return self._rows[tuple(each)]

    def of(self, each: Slice) -> Sums:
        """Return the sums of one slice."""
        return _spelled(self._found.get(tuple(each), {}))


def sums_of_daily_costs(
    rows: pa.Table, keys: tuple[str, ...], costs: Iterable[str]
) -> dict[Key, Sums]:
    """Sum the costs of fct_daily_costs by key columns and currency."""
    found: _Found = {}
    _add(found, rows, keys, "billing_currency", {cost: rows.column(cost) for cost in costs})
    return {key: _spelled(sums) for key, sums in found.items()}


def _add(
    found: _Found,
    rows: pa.RecordBatch | pa.Table,
    keys: tuple[str, ...],
    currency: str,
    costs: dict[str, pa.Array],
) -> None:
    # Arrow's sums of decimal128 wrap without a word
    wide = {
        cost: column.cast(pa.decimal256(_WIDE, column.type.scale)) for cost, column in costs.items()
    }
    keyed = {name: rows.column(name) for name in keys}
    keyed["currency"] = pc.fill_null(rows.column(currency), _UNKNOWN)
    grouped = (
        pa.table({**keyed, **wide})
        .group_by([*keyed], use_threads=False)
        .aggregate([(cost, "sum") for cost in costs])
    )
    for row in grouped.to_pylist():
        sums = found.setdefault(tuple(row[name] for name in keys), {})
        for cost in costs:
            if (amount := row[f"{cost}_sum"]) is not None:
                key = (row["currency"], cost)
                sums[key] = money.add(sums.get(key, money.ZERO), amount)


def _spelled(sums: dict[tuple[str, str], Decimal]) -> Sums:
    """Return sums as they are written down and compared: texts, by currency and cost."""
    result: Sums = {}
    for (currency, cost), amount in sorted(sums.items()):
        result.setdefault(currency, {})[cost] = money.plain(amount)
    return result
