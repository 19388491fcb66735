"""How Azure's cost exports are written: FOCUS, and actual and amortized in all their headers.

Three generations of headers are one dialect with aliases: the usage files of old (PreTaxCost,
InstanceId, UsageDateTime), enterprise agreements (Cost, BillingCurrency, Product) and what they and
customer agreements have today (costInBillingCurrency, productName).
Source: Microsoft Learn, "Cost and usage details file schema", all versions from 2019 on.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from astraeus_pipeline.contracts.azure import AZURE_COSTS_EXPORT, AZURE_COSTS_FOCUS
from astraeus_pipeline.exports import cells
from astraeus_pipeline.exports.dates import DateOrder
from astraeus_pipeline.exports.dialect import Columns, Dialect
from astraeus_pipeline.exports.focus import focus_dialect

ExportType = Literal["actual", "amortized", "focus"]
# Azure writes 09/30/2026 or 9/30/2026 in older files, never the day first.
DATE_ORDER: Final[DateOrder] = "month_first"
_COMMITMENTS: Final = pa.array(["reservation", "savingsplan"])


def _words(column: pa.Array) -> pa.Array:
    return pc.utf8_lower(pc.replace_substring(cells.plain(column), " ", ""))


def _is_committed(columns: Columns) -> pa.BooleanArray:
    """Mark the rows under a reservation or savings plan; old files name no pricing model."""
    model = _words(columns["pricing_model"])
    named = pc.is_valid(cells.plain(columns["reservation_id"]))
    return pc.if_else(pc.is_valid(model), pc.is_in(model, value_set=_COMMITMENTS), named)


def _is_charge(columns: Columns, *prefixes: str) -> pa.BooleanArray:
    kinds = _words(columns["charge_type"])
    marks = [pc.fill_null(pc.starts_with(kinds, each), False) for each in prefixes]
    return marks[0] if len(marks) == 1 else pc.or_(*marks)


def _constant(word: str, length: int) -> pa.Array:
    return pa.repeat(pa.scalar(word, pa.string()), length)


def _of_actual(columns: Columns, length: int) -> Columns:
    """Bill a commitment when it is bought; it is effective only in what it covers."""
    cost = columns["cost_in_billing_currency"]
    return {
        "export_type": _constant("actual", length),
        "actual_cost": cost,
        "amortized_cost": pa.nulls(length, cost.type),
    }


def _of_amortized(columns: Columns, length: int) -> Columns:
    """Bill nothing of what a commitment covers or leaves unused: that was billed before."""
    cost = columns["cost_in_billing_currency"]
    is_prepaid = pc.and_(_is_committed(columns), _is_charge(columns, "usage", "unused"))
    nothing = pa.scalar(Decimal(0), cost.type)
    return {
        "export_type": _constant("amortized", length),
        "actual_cost": pc.if_else(is_prepaid, nothing, cost),
        "amortized_cost": cost,
    }


def buys_commitments(columns: Columns) -> pa.BooleanArray:
    """Mark what only the actual export has: purchases and refunds of commitments (null is no)."""
    return pc.and_(_is_committed(columns), _is_charge(columns, "purchase", "refund"))


AMORTIZED: Final = Dialect(
    label="Azure cost",
    table=AZURE_COSTS_EXPORT,
    usage_times=("charge_date",),
    period_times=("billing_period_start_date", "charge_date"),
    mandatory=("cost_in_billing_currency", "billing_currency", "subscription_id", "meter_id"),
    required=("cost_in_billing_currency",),
    aliases={
        "charge_date": ("date", "UsageDateTime", "UsageDate"),
        "cost_in_billing_currency": ("Cost", "PreTaxCost", "ExtendedCost"),
        "billing_currency": ("BillingCurrencyCode", "Currency"),
        "subscription_id": ("SubscriptionGuid",),
        "resource_id": ("InstanceId", "InstanceName"),
        "resource_group": ("ResourceGroupName",),
        "resource_location": ("ResourceLocationNormalized", "location"),
        "quantity": ("UsageQuantity", "ConsumedQuantity"),
        "effective_price": ("ResourceRate",),
        "product_name": ("Product",),
        "meter_category": ("ServiceName",),
        "billing_period_start_date": ("BillingPeriodStart",),
        "billing_period_end_date": ("BillingPeriodEnd",),
    },
    derive=_of_amortized,
)
ACTUAL: Final = replace(AMORTIZED, derive=_of_actual)
FOCUS: Final = replace(focus_dialect(AZURE_COSTS_FOCUS), required=("billed_cost", "effective_cost"))
DIALECTS: Final[dict[ExportType, Dialect]] = {
    "actual": ACTUAL,
    "amortized": AMORTIZED,
    "focus": FOCUS,
}
