"""Values that every layer shares: raw tables, accounts, days, payloads."""

from astraeus_pipeline.contracts.anthropic import ANTHROPIC_TABLES
from astraeus_pipeline.contracts.aws import (
    AWS_COSTS,
    AWS_COSTS_CUR,
    AWS_COSTS_FOCUS,
    AWS_RESOURCES,
)
from astraeus_pipeline.contracts.aws_insights import AWS_INSIGHTS
from astraeus_pipeline.contracts.azure import AZURE_TABLES
from astraeus_pipeline.contracts.columns import RawTable
from astraeus_pipeline.contracts.focus import FOCUS_COSTS
from astraeus_pipeline.contracts.openai import OPENAI_TABLES
from astraeus_pipeline.contracts.snowflake import SNOWFLAKE_TABLES

RAW_TABLES: tuple[RawTable, ...] = (
    AWS_COSTS,
    AWS_COSTS_CUR,
    AWS_COSTS_FOCUS,
    AWS_RESOURCES,
    *AWS_INSIGHTS,
    *AZURE_TABLES,
    FOCUS_COSTS,
    *SNOWFLAKE_TABLES,
    *OPENAI_TABLES,
    *ANTHROPIC_TABLES,
)

__all__ = [
    "AWS_COSTS",
    "AWS_COSTS_CUR",
    "AWS_COSTS_FOCUS",
    "AWS_RESOURCES",
    "FOCUS_COSTS",
    "RAW_TABLES",
    "RawTable",
]
