"""Raw tables of Azure: Cost Management's queries and exports, and the inventory of one day."""

from __future__ import annotations

from astraeus_pipeline.contracts.columns import Column, RawTable

AZURE_COSTS = RawTable(
    provider="azure",
    dataset="costs",
    description="Cost Management Query, Daily, one row per charge type, resource, meter and day",
    vendor_columns=(
        Column("subscription_id", "text", "Subscription, a GUID in lower case", nullable=False),
        Column("charge_type", "text", "ChargeType: Usage, Purchase, Refund, ...", nullable=False),
        Column("pricing_model", "text", "PricingModel: OnDemand, Reservation, Spot, SavingsPlan"),
        Column("resource_id", "text", "ResourceId in lower case; null where a charge has none"),
        Column("resource_location", "text", "ResourceLocation, as spelt by Azure"),
        Column("meter_id", "text", "ResourceGuid: the meter; null where a charge has none"),
        Column("service_name", "text", "ServiceName of the meter"),
        Column("meter_subcategory", "text", "MeterSubcategory of the meter"),
        Column("meter", "text", "Name of the meter"),
        Column("unit_of_measure", "text", "Unit of quantity; null where the agreement tells none"),
        Column("currency", "text", "ISO code of the costs", nullable=False),
        Column("actual_cost", "numeric", "ActualCost: the bill; null if the query gives no row"),
        Column("amortized_cost", "numeric", "AmortizedCost: commitments spread; null if no row"),
        Column("quantity", "numeric", "UsageQuantity, in unit_of_measure"),
    ),
    cost_types=("actual_cost", "amortized_cost"),
    currency="currency",
    service="service_name",
    charge_category="charge_type",
)

AZURE_RESOURCES = RawTable(
    provider="azure",
    dataset="resources",
    description="What stood in the subscription on the day of the snapshot, by Resource Graph",
    vendor_columns=(
        Column("resource_id", "text", "Id in lower case, as costs are joined", nullable=False),
        Column("resource_type", "text", "microsoft.compute/virtualmachines, ...", nullable=False),
        Column("resource_name", "text", "The resource's own name"),
        Column("owner_account_id", "text", "Subscription that owns it, a GUID in lower case"),
        Column("region", "text", "Location; null for global resources"),
        Column("availability_zone", "text", "Location and zone, where the resource has one"),
        Column("state", "text", "Power, disk or provisioning state in Azure's words"),
        Column("created_at", "timestamptz", "Creation, UTC; null where Azure keeps none"),
        Column("instance_type", "text", "vmSize or sku"),
        Column("size_gb", "numeric", "Provisioned size in GiB"),
        Column("iops", "bigint", "Provisioned I/O operations a second"),
        Column("throughput_mbps", "numeric", "Provisioned throughput in MB/s"),
        Column("attached_to", "text", "Resource that uses it; null when idle or not applicable"),
        Column("tags", "jsonb", "Tags as one JSON object"),
    ),
)

AZURE_TABLES = (AZURE_COSTS, AZURE_RESOURCES)
