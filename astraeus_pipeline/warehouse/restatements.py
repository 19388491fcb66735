"""What a re-delivery changed, written down per service, charge category, currency, cost type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import psycopg

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.warehouse.copy import RowOwner
from astraeus_pipeline.warehouse.standing_rows import GroupKey, Totals
from astraeus_pipeline.warehouse.survey import Slice
from astraeus_pipeline.warehouse.verdicts import Standing

_NOTHING = Totals(0, {})


def record(
    conn: psycopg.Connection,
    table: RawTable,
    owner: RowOwner,
    superseded: Mapping[Slice, Standing],
    before: Mapping[GroupKey, Totals],
    after: Mapping[GroupKey, Totals],
) -> None:
    """Write the differences between two states of the slices, and whom this delivery supersedes."""
    if not superseded:
        return
    conn.execute(
        "update raw.deliveries set supersedes = %s where id = %s",
        [max(stands.delivery_id or 0 for stands in superseded.values()), owner.delivery_id],
    )
    rows = [
        (
            owner.delivery_id,
            superseded[each].delivery_id,
            owner.account_id,
            table.provider,
            each.usage_date,
            each.billing_period,
            *rest,
        )
        for each, rest in _differences(before, after)
    ]
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into raw.restatements (delivery_id, supersedes, account_id, provider,"
            " usage_date, billing_period, service, charge_category, currency, cost_type,"
            " old_cost, new_cost, delta, old_rows, new_rows)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            rows,
        )


def _differences(
    before: Mapping[GroupKey, Totals], after: Mapping[GroupKey, Totals]
) -> Iterator[tuple[Slice, tuple[Any, ...]]]:
    """Yield (slice, row's remaining columns) for each cost that moved; None is "no such row"."""
    for key in sorted({*before, *after}, key=str):
        old, new = before.get(key, _NOTHING), after.get(key, _NOTHING)
        each, service, category, currency = key
        for cost_type in {**old.costs, **new.costs}:
            old_cost, new_cost = old.costs.get(cost_type), new.costs.get(cost_type)
            delta = money.subtract(new_cost or Decimal(0), old_cost or Decimal(0))
            if delta:
                yield (
                    each,
                    (
                        service,
                        category,
                        currency,
                        cost_type,
                        old_cost,
                        new_cost,
                        delta,
                        old.rows,
                        new.rows,
                    ),
                )
