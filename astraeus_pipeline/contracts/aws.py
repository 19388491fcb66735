"""Raw tables of AWS: Cost Explorer's grouped daily costs, exported bills, one day's inventory."""

from __future__ import annotations

from astraeus_pipeline.contracts.columns import Column, RawTable
from astraeus_pipeline.contracts.focus import focus_table

AWS_COSTS = RawTable(
    provider="aws",
    dataset="costs",
    description="Cost Explorer GetCostAndUsage, DAILY, one row per group and day",
    vendor_columns=(
        Column("linked_account_id", "text", "LINKED_ACCOUNT, 12 digits", nullable=False),
        Column(
            "record_type", "text", "RECORD_TYPE: Usage, Tax, Credit, Refund, ...", nullable=False
        ),
        Column("region", "text", "REGION; null where AWS says NoRegion or global"),
        Column("service", "text", "SERVICE, Cost Explorer's own name", nullable=False),
        Column("usage_type", "text", "USAGE_TYPE; null where AWS gives none"),
        Column("currency", "text", "ISO code of the costs", nullable=False),
        Column("unblended_cost", "numeric", "Cost at the rate of the using account"),
        Column("amortized_cost", "numeric", "Unblended cost with commitments spread"),
        Column("net_unblended_cost", "numeric", "Unblended cost after discounts: the invoice"),
        Column("net_amortized_cost", "numeric", "Amortized cost after discounts"),
        Column("usage_quantity", "numeric", "Quantity in usage_unit; null where AWS mixes units"),
        Column("usage_unit", "text", "Unit of usage_quantity"),
        Column("is_estimated", "boolean", "Cost Explorer's Estimated flag of the day"),
    ),
    cost_types=("unblended_cost", "amortized_cost", "net_unblended_cost", "net_amortized_cost"),
    currency="currency",
    service="service",
    charge_category="record_type",
    history_keys=("is_estimated",),
)

AWS_RESOURCES = RawTable(
    provider="aws",
    dataset="resources",
    description="What stood in the account on the day of the snapshot, all enabled regions",
    vendor_columns=(
        Column("resource_id", "text", "Id as billed: i-..., vol-..., else the ARN", nullable=False),
        Column("resource_type", "text", "service:kind, as in ec2:instance", nullable=False),
        Column("resource_name", "text", "Name tag or the resource's own name"),
        Column("owner_account_id", "text", "AWS account that owns it, 12 digits"),
        Column("region", "text", "Region code; null for global resources"),
        Column("availability_zone", "text", "Zone, where the resource has one"),
        Column("state", "text", "State in AWS's words"),
        Column("created_at", "timestamptz", "Creation or launch, UTC; null where AWS keeps none"),
        Column("instance_type", "text", "Instance or database class"),
        Column("size_gb", "numeric", "Provisioned size in GiB"),
        Column("iops", "bigint", "Provisioned I/O operations a second"),
        Column("throughput_mbps", "numeric", "Provisioned throughput in MiB/s"),
        Column("attached_to", "text", "Resource that uses it; null when idle or not applicable"),
        Column("attachment_state", "text", "attached or idle; null where nothing can be said"),
        Column("attached_at", "timestamptz", "When it was attached, UTC; null where AWS is silent"),
        Column("vcpus", "numeric", "Virtual processors of the instance type"),
        Column("memory_gb", "numeric", "Memory in GiB"),
        Column("architecture", "text", "Processor architecture, as in arm64"),
        Column("platform", "text", "Operating system, or engine and version"),
        Column("lifecycle", "text", "on-demand, spot, scheduled or capacity-block"),
        Column("tags", "jsonb", "Tags as one JSON object"),
    ),
)


def _money(name: str, description: str) -> Column:
    return Column(name, "numeric", f"{description}, in line_item_currency_code")


AWS_COSTS_CUR = RawTable(
    provider="aws",
    dataset="costs",
    shape="cur",
    description="Line items of Cost and Usage Reports: CUR 2.0, and legacy ones under its names",
    vendor_columns=(
        Column("identity_line_item_id", "text", "Id of the line; repeats from hour to hour"),
        Column("identity_time_interval", "text", "start/end; with the id it names one line"),
        Column("bill_bill_type", "text", "Anniversary, Purchase or Refund"),
        Column("bill_billing_entity", "text", "AWS, or AWS Marketplace"),
        Column("bill_billing_period_start_date", "timestamptz", "Start of the billing month, UTC"),
        Column("bill_billing_period_end_date", "timestamptz", "Its end, exclusive, UTC"),
        Column("bill_invoice_id", "text", "Invoice; null until AWS closes the bill"),
        Column("bill_invoicing_entity", "text", "AWS company that issues the invoice"),
        Column("bill_payer_account_id", "text", "Account that pays, 12 digits"),
        Column("bill_payer_account_name", "text", "Its name"),
        Column("line_item_availability_zone", "text", "Zone, where the line has one"),
        Column("line_item_currency_code", "text", "ISO code of all costs", nullable=False),
        Column("line_item_legal_entity", "text", "Seller of record"),
        Column("line_item_line_item_description", "text", "What was charged, in words"),
        Column("line_item_line_item_type", "text", "Usage, Tax, RIFee, ...", nullable=False),
        _money("line_item_net_unblended_cost", "Unblended cost after discounts; null without any"),
        _money("line_item_net_unblended_rate", "Unblended rate after discounts"),
        Column("line_item_normalized_usage_amount", "numeric", "Usage in normalised units"),
        Column("line_item_operation", "text", "Operation covered by the line"),
        Column("line_item_product_code", "text", "Product, as in AmazonEC2", nullable=False),
        Column("line_item_resource_id", "text", "Resource: id or ARN, where the report has them"),
        Column("line_item_tax_type", "text", "Kind of tax"),
        _money("line_item_unblended_cost", "Cost at the rate of the using account"),
        _money("line_item_unblended_rate", "Rate of the using account"),
        _money("line_item_blended_cost", "Cost at the organization's average rate"),
        Column("line_item_usage_account_id", "text", "Account that used it, 12 digits"),
        Column("line_item_usage_account_name", "text", "Its name"),
        Column("line_item_usage_amount", "numeric", "Usage in pricing_unit"),
        Column("line_item_usage_end_date", "timestamptz", "End of the usage, exclusive, UTC"),
        Column("line_item_usage_start_date", "timestamptz", "Start of the usage, UTC"),
        Column("line_item_usage_type", "text", "What was used, as in BoxUsage:m5.large"),
        Column("pricing_currency", "text", "ISO code of the price list"),
        _money("pricing_public_on_demand_cost", "Cost at public on-demand rates"),
        _money("pricing_public_on_demand_rate", "Public on-demand rate"),
        Column("pricing_purchase_option", "text", "No Upfront, Partial Upfront or All Upfront"),
        Column("pricing_rate_code", "text", "Code of the rate: sku.offer term.rate"),
        Column("pricing_term", "text", "OnDemand, Reserved or Spot"),
        Column("pricing_unit", "text", "Unit of line_item_usage_amount"),
        Column("product", "jsonb", "Further attributes of the product as one object"),
        Column(
            "product_product_name", "text", "Name of the product, from the object where it is in"
        ),
        Column("product_product_family", "text", "Family of the product"),
        Column("product_region_code", "text", "Region of the product"),
        Column("product_servicecode", "text", "Service in the price list"),
        Column("product_sku", "text", "Article of the price list"),
        Column("reservation_reservation_a_r_n", "text", "Reservation that the line belongs to"),
        _money("reservation_amortized_upfront_cost_for_usage", "Prepaid part of the covered usage"),
        _money("reservation_effective_cost", "Prepaid and recurring cost of the covered usage"),
        _money("reservation_net_effective_cost", "The same after discounts"),
        _money("reservation_recurring_fee_for_usage", "Recurring part of the covered usage"),
        _money(
            "reservation_unused_amortized_upfront_fee_for_billing_period",
            "Prepaid part of what was not used",
        ),
        _money(
            "reservation_net_unused_amortized_upfront_fee_for_billing_period",
            "The same after discounts",
        ),
        Column("reservation_unused_quantity", "numeric", "Reserved hours that were not used"),
        _money("reservation_unused_recurring_fee", "Recurring part of what was not used"),
        _money("reservation_net_unused_recurring_fee", "The same after discounts"),
        Column("savings_plan_savings_plan_a_r_n", "text", "Savings plan that the line belongs to"),
        Column("savings_plan_offering_type", "text", "Kind of the savings plan"),
        _money("savings_plan_savings_plan_effective_cost", "Share of the plan in covered usage"),
        _money("savings_plan_net_savings_plan_effective_cost", "The same after discounts"),
        _money("savings_plan_savings_plan_rate", "Rate of the covered usage in the plan"),
        _money("savings_plan_total_commitment_to_date", "Commitment of the billed period"),
        _money("savings_plan_used_commitment", "What of it was used"),
        Column(
            "split_line_item_parent_resource_id",
            "text",
            "Instance that a container's line repeats a part of; null on all other lines",
        ),
        _money("split_line_item_split_cost", "The container's part of the instance's cost"),
        Column("resource_tags", "jsonb", "Tags as one object, keys as delivered"),
        Column("cost_category", "jsonb", "Cost categories as one object"),
    ),
    cost_types=("line_item_unblended_cost", "line_item_net_unblended_cost"),
    currency="line_item_currency_code",
    service="line_item_product_code",
    charge_category="line_item_line_item_type",
    history_keys=(
        "product_product_name",
        "reservation_reservation_a_r_n",
        "split_line_item_parent_resource_id",
        "bill_invoice_id",
        "savings_plan_net_savings_plan_effective_cost",
        "savings_plan_savings_plan_effective_cost",
        "savings_plan_total_commitment_to_date",
        "savings_plan_used_commitment",
        "reservation_net_effective_cost",
        "reservation_effective_cost",
        "reservation_net_unused_amortized_upfront_fee_for_billing_period",
        "reservation_unused_amortized_upfront_fee_for_billing_period",
        "reservation_net_unused_recurring_fee",
        "reservation_unused_recurring_fee",
        "pricing_public_on_demand_cost",
    ),
)

AWS_COSTS_FOCUS = focus_table(
    "aws", "focus", "Charges of AWS Data Exports in FOCUS 1.0 or 1.2; AWS's own columns in payload"
)
