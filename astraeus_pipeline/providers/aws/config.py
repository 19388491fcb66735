"""What an AWS account's row may say."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.exports.place import Place
from astraeus_pipeline.providers.aws.dialects import ExportFormat


class AwsConfig(BaseModel):
    """Configuration of one AWS account; secrets are kept apart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    linked_account_id: str | None = Field(
        default=None,
        pattern=r"^\d{12}$",
        description="Ingest this linked account only; otherwise all that the payer sees",
    )
    datasets: tuple[Dataset, ...] = Field(
        default=(), description="Datasets to ingest; empty: all. A member's bill is its payer's"
    )
    regions: tuple[str, ...] = Field(
        default=(), description="Regions to take the inventory of; empty: all enabled ones"
    )
    skip_kinds: tuple[str, ...] = Field(
        default=(), description="Kinds of resources to leave out, as in eks:cluster"
    )
    home_region: str = Field(default="us-east-1", description="Region for global calls")
    role_arn: str | None = Field(default=None, description="Role to assume, renewed by itself")
    external_id: str | None = Field(default=None, description="External id of the role's trust")
    profile: str | None = Field(default=None, description="Profile of the AWS configuration files")
    discover: bool = Field(
        default=False, description="Find the member accounts of this account's organization"
    )
    member_role_name: str = Field(
        default="astraeus",
        pattern=r"^[A-Za-z0-9_+=,.@/-]+$",
        max_length=512,
        description="Role to assume in each member account",
    )
    member_external_id: str | None = Field(
        default=None, description="External id of the member roles' trust"
    )
    endpoint_url: str | None = Field(default=None, description="Another address for all services")
    cost_explorer_endpoint_url: str | None = Field(
        default=None, description="Another address for Cost Explorer and Savings Plans alone"
    )
    cost_source: Literal["cost_explorer", "export"] = Field(
        default="cost_explorer",
        description="Where costs come from: Cost Explorer, or the payer's export in S3",
    )
    export_url: str | None = Field(
        default=None,
        description="Folder of one export: s3://bucket/prefix/export-name, or a local copy of it",
    )
    export_format: ExportFormat | None = Field(
        default=None, description="focus, cur2 or cur (legacy); otherwise as its header says"
    )
    export_region: str | None = Field(default=None, description="Region of the export's bucket")
    export_endpoint_url: str | None = Field(
        default=None, description="Another address for the export's bucket alone"
    )
    tie_to_cost_explorer: bool = Field(
        default=False,
        description="Ask Cost Explorer for an export's daily totals, at 0.01 USD a month read",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.cost_source == "export":
            if not self.export_url:
                raise ValueError("cost_source export needs export_url")
            if self.linked_account_id:
                raise ValueError("an export holds all linked accounts: leave linked_account_id out")
            if self.place.scheme == "abfs":
                raise ValueError("export_url must be s3://bucket/prefix/export-name or a folder")
        return self

    @property
    def place(self) -> Place:
        """Where the export lies."""
        return Place(
            url=self.export_url or "",
            region=self.export_region or self.home_region,
            endpoint_url=self.export_endpoint_url,
        )

    @property
    def is_folder_alone(self) -> bool:
        """Whether costs come from files that were copied to a folder, and nothing else is said.

        Such an account has nobody to ask for resources unless `datasets` names them.
        """
        is_copy = self.cost_source == "export" and self.place.scheme == "file"
        return is_copy and not (self.datasets or self.discover)

    @property
    def needs_credentials(self) -> bool:
        """Whether anything is asked of AWS."""
        return not self.is_folder_alone or self.tie_to_cost_explorer


def config_of(account: Account) -> AwsConfig:
    """Read an account's configuration.

    Raises: ConfigError naming the first wrong entry.
    """
    try:
        return AwsConfig.model_validate(dict(account.config))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"AWS account {account.slug}: {'.'.join(map(str, first['loc']))}: {first['msg']}.",
            hint="Correct the account's configuration.",
        ) from None
