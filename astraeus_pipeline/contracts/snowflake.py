"""Raw tables of Snowflake: bills, resources and their use, queries, rates, balances."""

from __future__ import annotations

from typing import Final

from astraeus_pipeline.contracts.columns import Column, RawTable

_CURRENCY: Final = Column("currency", "text", "ISO code of the amount", nullable=False)

# Who used it, and how it is rated: USAGE_IN_CURRENCY_DAILY and RATE_SHEET_DAILY share these.
_RATED: Final = (
    Column("organization_name", "text", "Name of the organization"),
    Column("contract_number", "text", "Contract that the usage is charged to"),
    Column("account_name", "text", "Name of the Snowflake account; null for contract-wide lines"),
    Column("account_locator", "text", "Locator of the Snowflake account"),
    Column("region", "text", "Snowflake region of the account, as in AWS_US_EAST_1"),
    Column("service_level", "text", "Edition of the account"),
    Column("usage_type", "text", "Usage category of the statement, overage-... beyond the balance"),
    Column("billing_type", "text", "consumption, rebate, priority support, support_credit, ..."),
    Column("rating_type", "text", "compute (credits), storage or data_transfer (TB), other"),
    Column("service_type", "text", "Service: WAREHOUSE_METERING, STORAGE, SNOWPIPE, ..."),
    Column("is_adjustment", "boolean", "Whether the line adjusts usage, as the 10 % rule does"),
)

SNOWFLAKE_COSTS = RawTable(
    provider="snowflake",
    dataset="costs",
    description="ORGANIZATION_USAGE.USAGE_IN_CURRENCY_DAILY, one row per line of a day's bill",
    vendor_columns=(
        *_RATED,
        Column("usage", "numeric", "Quantity, in the unit of rating_type; three decimals"),
        _CURRENCY,
        Column("usage_in_currency", "numeric", "Charge of the day, two decimals", nullable=False),
        Column("balance_source", "text", "What pays: capacity, rollover, free usage, overage, ..."),
    ),
    cost_types=("usage_in_currency",),
    currency="currency",
    service="service_type",
    charge_category="billing_type",
    history_keys=("usage_type", "is_adjustment"),
)

SNOWFLAKE_COSTS_METERING = RawTable(
    provider="snowflake",
    dataset="costs",
    shape="metering",
    description="ACCOUNT_USAGE: METERING_DAILY_HISTORY's credits and STORAGE_USAGE's bytes, at a"
    " price",
    vendor_columns=(
        Column("account_name", "text", "Name of the Snowflake account"),
        Column("account_locator", "text", "Locator of the Snowflake account", nullable=False),
        Column("region", "text", "Snowflake region of the account"),
        Column("service_type", "text", "Service; STORAGE for bytes", nullable=False),
        Column("rating_type", "text", "compute (credits) or storage (TB)", nullable=False),
        Column("credits_used_compute", "numeric", "Credits of warehouses and serverless compute"),
        Column("credits_used_cloud_services", "numeric", "Credits of cloud services"),
        Column(
            "credits_adjustment_cloud_services", "numeric", "What the 10 % rule takes off, <= 0"
        ),
        Column("credits_used", "numeric", "Credits before that adjustment"),
        Column("credits_billed", "numeric", "Credits after it"),
        Column("storage_bytes", "numeric", "Mean bytes of tables on the day, with Time Travel"),
        Column("stage_bytes", "numeric", "Mean bytes of files in internal stages"),
        Column("failsafe_bytes", "numeric", "Mean bytes in Fail-safe"),
        Column("usage", "numeric", "Credits billed, or TB of all bytes", nullable=False),
        Column("price", "numeric", "Price of a credit, or of a TB and month", nullable=False),
        Column("price_source", "text", "configuration or RATE_SHEET_DAILY", nullable=False),
        _CURRENCY,
        Column("usage_in_currency", "numeric", "Usage at the price: modelled", nullable=False),
    ),
    cost_types=("usage_in_currency",),
    currency="currency",
    service="service_type",
    charge_category="rating_type",
)

SNOWFLAKE_RESOURCES = RawTable(
    provider="snowflake",
    dataset="resources",
    description="Warehouses, databases and pipes of the account, and the organization's accounts",
    vendor_columns=(
        Column("resource_id", "text", "locator/kind/name", nullable=False),
        Column("resource_type", "text", "snowflake:warehouse, :database, ...", nullable=False),
        Column("resource_name", "text", "Name; of a pipe with its database and schema"),
        Column("owner_account_id", "text", "Locator of the Snowflake account that owns it"),
        Column("region", "text", "Snowflake region"),
        Column("availability_zone", "text", "Always null: Snowflake tells no zones"),
        Column("state", "text", "State in Snowflake's words"),
        Column("created_at", "timestamptz", "Creation, UTC"),
        Column("instance_type", "text", "Size of a warehouse, edition of an account"),
        Column("size_gb", "numeric", "Mean size of a database yesterday with Fail-safe, GiB"),
        Column("iops", "bigint", "Always null: Snowflake has none"),
        Column("throughput_mbps", "numeric", "Always null: Snowflake tells none"),
        Column("attached_to", "text", "Database that a pipe belongs to"),
        Column("tags", "jsonb", "Always null: tags are not read"),
    ),
)

SNOWFLAKE_UTILISATION = RawTable(
    provider="snowflake",
    dataset="utilisation",
    description="Credits and load of warehouses, bytes of databases: one row per metric and day",
    vendor_columns=(
        Column("resource_id", "text", "Id as billed, as in the inventory", nullable=False),
        Column("resource_type", "text", "service:kind, as in the inventory", nullable=False),
        Column("region", "text", "Region code; null where the provider has none"),
        Column("metric", "text", "Metric in the provider's words", nullable=False),
        Column("unit", "text", "Unit of one sample"),
        Column("average", "numeric", "Mean of the day's samples"),
        Column("maximum", "numeric", "Largest of the day's samples"),
        Column("minimum", "numeric", "Smallest of the day's samples"),
        Column("sum", "numeric", "Sum of the day's samples; no total where they are levels"),
        Column("samples", "numeric", "How many samples the day has"),
    ),
)

SNOWFLAKE_QUERIES = RawTable(
    provider="snowflake",
    dataset="queries",
    description="QUERY_ATTRIBUTION_HISTORY by warehouse, user, role, tag and statement; idle rest",
    vendor_columns=(
        Column("account_locator", "text", "Locator of the Snowflake account", nullable=False),
        Column("warehouse_name", "text", "Warehouse that ran them", nullable=False),
        Column("is_idle", "boolean", "Whether no query accounts for the row", nullable=False),
        Column("user_name", "text", "Who asked; null when idle"),
        Column("role_name", "text", "Role of the session; null when idle"),
        Column("query_tag", "text", "QUERY_TAG of the session"),
        Column("query_parameterized_hash", "text", "Same but for literals"),
        Column("query_type", "text", "SELECT, INSERT, ...: of one query of the group"),
        Column("queries", "bigint", "Queries counted; those of 100 ms or less are not"),
        Column("credits_attributed", "numeric", "Credits of compute; of idle rows the rest"),
        Column("credits_query_acceleration", "numeric", "Credits of acceleration, billed apart"),
        Column("elapsed_seconds", "numeric", "Sum of the total elapsed times"),
        Column("bytes_scanned", "numeric", "Sum of bytes scanned"),
    ),
)

SNOWFLAKE_PRICES = RawTable(
    provider="snowflake",
    dataset="prices",
    description="ORGANIZATION_USAGE.RATE_SHEET_DAILY, one row per account, kind of usage and day",
    vendor_columns=(
        *_RATED,
        _CURRENCY,
        Column("effective_rate", "numeric", "Price of a unit after the contract's discounts"),
    ),
)

SNOWFLAKE_BALANCES = RawTable(
    provider="snowflake",
    dataset="balances",
    description="ORGANIZATION_USAGE.REMAINING_BALANCE_DAILY, what is left of a contract by day",
    vendor_columns=(
        Column("organization_name", "text", "Name of the organization"),
        Column("contract_number", "text", "Contract"),
        _CURRENCY,
        Column("free_usage_balance", "numeric", "Free usage left"),
        Column("capacity_balance", "numeric", "Bought capacity left"),
        Column("on_demand_consumption_balance", "numeric", "Overage to be invoiced, negative"),
        Column("rollover_balance", "numeric", "Left of an earlier contract"),
        Column("marketplace_capacity_drawdown_balance", "numeric", "Part of capacity"),
    ),
)

SNOWFLAKE_TABLES: Final = (
    SNOWFLAKE_COSTS,
    SNOWFLAKE_COSTS_METERING,
    SNOWFLAKE_RESOURCES,
    SNOWFLAKE_UTILISATION,
    SNOWFLAKE_QUERIES,
    SNOWFLAKE_PRICES,
    SNOWFLAKE_BALANCES,
)
