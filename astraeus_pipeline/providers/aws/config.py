"""What an AWS account's row may say."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AwsConfig(BaseModel):
    """Configuration of one AWS account; secrets are kept apart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    linked_account_id: str | None = Field(
        default=None,
        pattern=r"^\d{12}$",
        description="Ingest this linked account only; otherwise all that the payer sees",
    )
    regions: tuple[str, ...] = Field(
        default=(), description="Regions to take the inventory of; empty: all enabled ones"
    )
    home_region: str = Field(default="us-east-1", description="Region for global calls")
    role_arn: str | None = Field(default=None, description="Role to assume, renewed by itself")
    external_id: str | None = Field(default=None, description="External id of the role's trust")
    profile: str | None = Field(default=None, description="Profile of the AWS configuration files")
    endpoint_url: str | None = Field(default=None, description="Another address for all services")
    cost_explorer_endpoint_url: str | None = Field(
        default=None, description="Another address for Cost Explorer alone"
    )
