"""Raw table of FOCUS files: the 57 columns of FOCUS 1.2, in snake case."""

from __future__ import annotations

from astraeus_pipeline.contracts.columns import Column, ColumnType, RawTable


def _column(name: str, column_type: ColumnType = "text", description: str = "") -> Column:
    words = name.replace("_", " ")
    return Column(name, column_type, description or f"FOCUS {words}, as delivered")


FOCUS_COLUMNS: tuple[Column, ...] = (
    _column("availability_zone"),
    _column("billed_cost", "numeric", "What the invoice asks for, in billing_currency"),
    _column("billing_account_id"),
    _column("billing_account_name"),
    _column("billing_account_type"),
    _column("billing_currency", "text", "ISO code of every cost on the row"),
    _column("billing_period_end", "timestamptz", "End of the billing period, exclusive, UTC"),
    _column("billing_period_start", "timestamptz", "Start of the billing period, UTC"),
    _column("capacity_reservation_id"),
    _column("capacity_reservation_status"),
    _column("charge_category", "text", "Usage, Purchase, Tax, Credit or Adjustment"),
    _column("charge_class", "text", "Correction, or null"),
    _column("charge_description"),
    _column("charge_frequency"),
    _column("charge_period_end", "timestamptz", "End of the charge period, exclusive, UTC"),
    _column("charge_period_start", "timestamptz", "Start of the charge period, UTC"),
    _column("commitment_discount_category"),
    _column("commitment_discount_id"),
    _column("commitment_discount_name"),
    _column("commitment_discount_quantity", "numeric"),
    _column("commitment_discount_status"),
    _column("commitment_discount_type"),
    _column("commitment_discount_unit"),
    _column("consumed_quantity", "numeric"),
    _column("consumed_unit"),
    _column("contracted_cost", "numeric", "Contracted unit price times quantity"),
    _column("contracted_unit_price", "numeric"),
    _column("effective_cost", "numeric", "Cost with commitments spread over their use"),
    _column("invoice_id", "text", "Invoice of the row; null until the provider closes the bill"),
    _column("invoice_issuer_name"),
    _column("list_cost", "numeric", "List unit price times quantity"),
    _column("list_unit_price", "numeric"),
    _column("pricing_category"),
    _column("pricing_currency"),
    _column("pricing_currency_contracted_unit_price", "numeric"),
    _column("pricing_currency_effective_cost", "numeric"),
    _column("pricing_currency_list_unit_price", "numeric"),
    _column("pricing_quantity", "numeric"),
    _column("pricing_unit"),
    _column("provider_name"),
    _column("publisher_name"),
    _column("region_id"),
    _column("region_name"),
    _column("resource_id"),
    _column("resource_name"),
    _column("resource_type"),
    _column("service_category"),
    _column("service_name"),
    _column("service_subcategory"),
    _column("sku_id"),
    _column("sku_meter"),
    _column("sku_price_details", "jsonb"),
    _column("sku_price_id"),
    _column("sub_account_id"),
    _column("sub_account_name"),
    _column("sub_account_type"),
    _column("tags", "jsonb", "Tags as one JSON object"),
)


def focus_table(provider: str, shape: str | None, description: str) -> RawTable:
    """Return a raw table of charges in FOCUS columns, as one provider's files bring them."""
    return RawTable(
        provider=provider,
        dataset="costs",
        shape=shape,
        description=description,
        vendor_columns=FOCUS_COLUMNS,
        cost_types=("billed_cost", "effective_cost", "list_cost", "contracted_cost"),
        currency="billing_currency",
        service="service_name",
        charge_category="charge_category",
        history_keys=("invoice_id",),
    )


FOCUS_COSTS = focus_table(
    "focus", None, "Charges of FOCUS 1.0, 1.1 and 1.2 files; further columns (x_...) in payload"
)
