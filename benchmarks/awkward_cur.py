"""A Cost and Usage Report of all types of lines: commitments, containers' parts, odd units."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from astraeus_pipeline.contracts.aws import AWS_COSTS_CUR
from astraeus_pipeline.contracts.columns import Column, arrow_type
from astraeus_pipeline.contracts.days import DayRange

_SCALE: Final = 18
_STAMP: Final = pa.timestamp("us", tz="UTC")
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "line_item_currency_code": ("USD", "CNY"),
    "line_item_line_item_type": (
        *("Usage", "Usage", "Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"),
        *("SavingsPlanNegation", "SavingsPlanRecurringFee", "SavingsPlanUpfrontFee", "RIFee"),
        *("Fee", "Tax", "Credit", "Refund", "EdpDiscount", "BundledDiscount"),
    ),
    "line_item_product_code": ("AmazonEC2", "AmazonS3", "AWSLambda"),
    "line_item_usage_type": ("BoxUsage:m5.large", "EUC1-SpotUsage:c5.large", "Requests-Tier1"),
    "pricing_term": ("OnDemand", "Reserved", "Spot"),
    "pricing_unit": (
        *("Hrs", "hour", "GB-Mo", "GB-month", "vCPU-Hours", "vCPU-hrs", "Lambda-GB-Second"),
        *("1K tokens", "Requests", "IOPS-Mo", "10K "),
    ),
    "product": ('{"region": "eu-west-1", "a": 1}', '{"region": "global"}', "{}"),
    "resource_tags": (
        '{"user_team": "a", "aws:createdBy": "b", "user:env": ""}',
        '{"user_x": null}',
        '{"cost": "ü \\"q\\""}',
        "{}",
    ),
    "split_line_item_parent_resource_id": ("i-0123",),
    "bill_billing_entity": ("AWS", "AWS Marketplace"),
}
# What the types of lines take their cost from: never null in a report.
_GIVEN: Final = frozenset(
    {
        *("line_item_unblended_cost", "savings_plan_savings_plan_effective_cost"),
        "reservation_effective_cost",
    }
)


def cur_rows(number: int, days: DayRange, rows_per_day: int) -> Iterator[pa.RecordBatch]:
    """Yield an account's month in the raw table's columns; equal for equal arguments."""
    rng, rows = np.random.default_rng([number, 4]), rows_per_day * len(days)
    first = days.first.toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    ordinals = np.repeat(np.arange(first, first + len(days)), rows_per_day)
    usage_date = pa.array(ordinals.astype(np.int32)).cast(pa.date32())
    keys: dict[str, pa.Array] = {
        "usage_date": usage_date,
        "billing_period": pa.repeat(pa.scalar(days.first), rows),
        "row_number": pa.array(np.arange(1, rows + 1)),
        "line_item_usage_start_date": usage_date.cast(pa.timestamp("us")).cast(_STAMP),
        "line_item_usage_end_date": usage_date.cast(pa.timestamp("us")).cast(_STAMP),
    }
    yield pa.record_batch(
        {
            column.name: keys[column.name]
            if column.name in keys
            else column_of(column, rng, rows, _WORDS, _GIVEN)
            for column in AWS_COSTS_CUR.row_columns
        }
    )


def column_of(
    column: Column,
    rng: np.random.Generator,
    rows: int,
    words_of: Mapping[str, tuple[str, ...]],
    given: Container[str],
    scale: int = _SCALE,
) -> pa.Array:
    """Return values of a column, three in ten of them null unless it is `given`."""
    if column.type == "numeric":
        found = _amounts(rng, rows, scale)
    elif column.type == "timestamptz":
        return pa.nulls(rows, _STAMP)
    else:
        words = words_of.get(column.name, ("one", "two", "three"))
        if column.type == "jsonb":
            words = words_of.get(column.name, ("{}",))
        found = pa.array(words, pa.string()).take(pa.array(rng.integers(0, len(words), rows)))
    if not column.nullable or column.name in given:
        return found
    share = 0.9 if column.name.startswith("split") else 0.3
    is_given = pa.array(rng.random(rows) >= share)
    return pc.if_else(is_given, found, pa.scalar(None, found.type))


def _amounts(rng: np.random.Generator, rows: int, scale: int) -> pa.Array:
    """Return decimals below 1 of 18 places, or below a thousand of fewer; one in ten is 0."""
    bound = 10 ** min(_SCALE, scale + 3)
    units: npt.NDArray[Any] = rng.integers(-(bound // 10), bound, rows)
    units[rng.random(rows) < 0.1] = 0
    limbs = np.empty((rows, 2), dtype=np.int64)
    limbs[:, 0], limbs[:, 1] = units, units >> 63
    return pa.Array.from_buffers(arrow_type("numeric", scale), rows, [None, pa.py_buffer(limbs)])
