"""How AWS's billing files are written: Cost and Usage Reports of both generations, and FOCUS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from astraeus_pipeline.contracts.aws import AWS_COSTS_CUR, AWS_COSTS_FOCUS
from astraeus_pipeline.errors import PayloadError
from astraeus_pipeline.exports import cells
from astraeus_pipeline.exports.dialect import Columns, Dialect
from astraeus_pipeline.exports.focus import focus_dialect

ExportFormat = Literal["focus", "cur2", "cur"]
_EFFECTIVE_COSTS: Final = {
    "SavingsPlanCoveredUsage": (
        "savings_plan_savings_plan_effective_cost",
        "savings_plan_net_savings_plan_effective_cost",
    ),
    "DiscountedUsage": ("reservation_effective_cost", "reservation_net_effective_cost"),
}


def _without_effective_cost(columns: Columns) -> Mapping[str, pa.BooleanArray]:
    """Refuse covered usage whose share of the commitment is not given.

    CUR 2.0 exports hold the columns that their query chose. Without these the commitment's money
    would be missing, or on-demand rates counted on top of it, and no total would tell.
    """
    types = columns["line_item_line_item_type"]
    missing = {}
    for line_type, costs in _EFFECTIVE_COSTS.items():
        if columns[costs[0]].null_count and columns[costs[1]].null_count:
            without = pc.and_(pc.is_null(columns[costs[0]]), pc.is_null(columns[costs[1]]))
            missing[f"{line_type} without {costs[0]}"] = pc.and_(
                pc.equal(types, line_type), without
            )
    return missing


def _product_name(columns: Columns, length: int) -> Columns:
    """Take the product's name out of CUR 2.0's object `product`; legacy reports have a column."""
    del length
    if columns["product_product_name"].null_count == 0 or not len(columns["product"]):
        return {}
    encoded = cells.plain(columns["product"]).dictionary_encode()
    names = [
        None if each is None else msgspec.json.decode(each).get("product_name")
        for each in encoded.dictionary.to_pylist()
    ]
    named = pa.array(names, pa.string()).take(encoded.indices)
    return {
        "product_product_name": pc.coalesce(cells.plain(columns["product_product_name"]), named)
    }


CUR: Final = Dialect(
    label="CUR",
    table=AWS_COSTS_CUR,
    usage_times=("line_item_usage_start_date",),
    period_times=("bill_billing_period_start_date",),
    mandatory=(
        "bill_payer_account_id",
        "line_item_currency_code",
        "line_item_line_item_type",
        "line_item_product_code",
        "line_item_unblended_cost",
        "line_item_usage_account_id",
        "line_item_usage_type",
    ),
    required=("bill_payer_account_id", "line_item_unblended_cost"),
    gathered={
        "resourceTags/": "resource_tags",
        "resource_tags_": "resource_tags",
        "costCategory/": "cost_category",
        "cost_category_": "cost_category",
        "product/": "product",
        "product_": "product",
    },
    derive=_product_name,
    refuse=_without_effective_cost,
)
FOCUS: Final = focus_dialect(AWS_COSTS_FOCUS)
_BY_SHAPE: Final = {each.table.shape: each for each in (CUR, FOCUS)}


def by_shape(shape: str | None) -> Dialect:
    """Return the dialect of a stored delivery. Raises: KeyError for a shape that is no export."""
    return _BY_SHAPE[shape]


def detect(names: Sequence[str], file: str, wanted: ExportFormat | None) -> Dialect:
    """Tell by its header which dialect a file is written in.

    Raises: PayloadError if it is none of them, or another than the account says.
    """
    found: ExportFormat | None = None
    if "billed_cost" in FOCUS.sort_out(names, file).known:
        found = "focus"
    elif "line_item_unblended_cost" in CUR.sort_out(names, file).known:
        found = "cur" if any("/" in name for name in names) else "cur2"
    if found is None:
        raise PayloadError(
            f"{file} is neither a FOCUS export nor a Cost and Usage Report.",
            hint="It has: " + ", ".join(names[:60]),
        )
    # Legacy reports in Parquet have CUR 2.0's names, so the two are not told apart further.
    if wanted is not None and (wanted == "focus") != (found == "focus"):
        raise PayloadError(
            f"{file} is {'a FOCUS export' if found == 'focus' else 'a Cost and Usage Report'},"
            f" and the account's export_format says {wanted}.",
            hint="Correct export_url or export_format of the account.",
        )
    return FOCUS if found == "focus" else CUR
