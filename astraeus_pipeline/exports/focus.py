"""The dialect of FOCUS files (1.0, 1.1, 1.2), for any raw table with the columns of FOCUS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.exports.dialect import Dialect

# Mandatory in FOCUS 1.2; all of them exist since 1.0.
MANDATORY: Final = (
    "billed_cost",
    "billing_account_id",
    "billing_account_name",
    "billing_currency",
    "billing_period_end",
    "billing_period_start",
    "charge_category",
    "charge_class",
    "charge_description",
    "charge_period_end",
    "charge_period_start",
    "contracted_cost",
    "effective_cost",
    "invoice_issuer_name",
    "list_cost",
    "pricing_quantity",
    "pricing_unit",
    "provider_name",
    "publisher_name",
    "service_category",
    "service_name",
)


def pascal(name: str) -> str:
    """Spell a column as the standard does: billed_cost is BilledCost."""
    return "".join(word.capitalize() for word in name.split("_"))


def focus_dialect(table: RawTable, mandatory: tuple[str, ...] = MANDATORY) -> Dialect:
    """Return the dialect that types FOCUS files into a raw table made of `FOCUS_COLUMNS`.

    Its own `mandatory` is for an issuer that leaves out columns of the standard.
    """
    return Dialect(
        label="FOCUS",
        table=table,
        usage_times=("charge_period_start",),
        period_times=("billing_period_start",),
        mandatory=mandatory,
        required=tuple(table.cost_types),
        spell=pascal,
    )


def guess_version(dialect: Dialect, names: Sequence[str]) -> str:
    """Tell the FOCUS version that the columns of a file speak of."""
    known = dialect.sort_out(names, "The file").known
    if {"invoice_id", "billing_account_type", "sub_account_type", "pricing_currency"} & set(known):
        return "1.2"
    newer = {"service_subcategory", "sku_meter", "sku_price_details", "capacity_reservation_id"}
    return "1.1" if (newer | {"commitment_discount_quantity"}) & set(known) else "1.0"
