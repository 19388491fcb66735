"""Raw tables of AWS: Cost Explorer's grouped daily costs, and the inventory of one day."""

from __future__ import annotations

from astraeus_pipeline.contracts.columns import Column, RawTable

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
        Column("tags", "jsonb", "Tags as one JSON object"),
    ),
)
