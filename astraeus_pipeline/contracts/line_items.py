"""Line items as Parquet, for an engine beside PostgreSQL: which tables, which types."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from astraeus_pipeline.contracts.aws import AWS_COSTS_CUR, AWS_COSTS_FOCUS
from astraeus_pipeline.contracts.azure import AZURE_COSTS_EXPORT, AZURE_COSTS_FOCUS
from astraeus_pipeline.contracts.columns import DECIMAL_PRECISION, RawTable, arrow_type
from astraeus_pipeline.contracts.focus import FOCUS_COSTS

# Files of charges, which alone have line items by the million: dbt's `spark__staged_costs`. What an
# API answers is summed to the day already.
LINE_ITEM_TABLES: Final[dict[str, RawTable]] = {
    table.name: table
    for table in (
        *(FOCUS_COSTS, AWS_COSTS_CUR, AWS_COSTS_FOCUS),
        *(AZURE_COSTS_EXPORT, AZURE_COSTS_FOCUS),
    )
}
# Of which columns, the first that is given, each FOCUS cost of staging is: dbt's `raw_costs`, of
# those that no model comes between. What comes back is tied to their sums.
_FOCUS_BASIS: Final = {
    "billed_cost": ("billed_cost",),
    "effective_cost": ("effective_cost", "billed_cost"),
    "list_cost": ("list_cost", "billed_cost"),
    "contracted_cost": ("contracted_cost", "billed_cost"),
}
TIED_COSTS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    FOCUS_COSTS.name: _FOCUS_BASIS,
    # by the type of a line, staging models the others
    AWS_COSTS_CUR.name: {
        "billed_cost": ("line_item_net_unblended_cost", "line_item_unblended_cost")
    },
    AWS_COSTS_FOCUS.name: _FOCUS_BASIS,
    # list and contracted costs are products of prices
    AZURE_COSTS_EXPORT.name: {
        "billed_cost": ("actual_cost",),
        "effective_cost": ("amortized_cost",),
    },
    # where Azure has no price, staging models list and contracted costs
    AZURE_COSTS_FOCUS.name: {
        cost: _FOCUS_BASIS[cost] for cost in ("billed_cost", "effective_cost")
    },
}
# Rows that staging leaves out: those in which this column is given.
LEFT_OUT: Final = {AWS_COSTS_CUR.name: "split_line_item_parent_resource_id"}
# One type for all files of a table, as engines read decimals of one scale only. 24 decimals take
# what prints of floats have (19), and leave amounts, and their sums, below 1e14.
SCALE: Final = 24
INTEGER_DIGITS: Final = DECIMAL_PRECISION - SCALE
# Columns that staging multiplies with one another (dbt's `product`): the product of a row has the
# decimals of both, and must not have more than SCALE.
PRODUCTS: Final = {
    AZURE_COSTS_EXPORT.name: (("unit_price", "quantity"), ("pay_g_price", "quantity")),
}


def line_item_schema(table: RawTable) -> pa.Schema:
    """Return the columns of a table's Parquet files: all of the raw table's, with the owner's."""
    return pa.schema(
        [
            pa.field(column.name, arrow_type(column.type, SCALE), nullable=column.nullable)
            for column in table.columns
        ]
    )
