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
)

SNOWFLAKE_TABLES: Final = (SNOWFLAKE_COSTS,)
