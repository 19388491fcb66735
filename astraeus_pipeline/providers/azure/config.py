"""What an Azure account's row may say."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from astraeus_pipeline.contracts.columns import Dataset

CostSource = Literal["query", "export_focus", "export_actual_amortized"]

_GUID: Final = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
PUBLIC_AUTHORITY: Final = "https://login.microsoftonline.com"
Guid = Annotated[str, StringConstraints(pattern=_GUID, to_lower=True)]


class AzureConfig(BaseModel):
    """Configuration of one Azure account; secrets are kept apart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant_id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9.-]+$",
        description="Directory (tenant) id, or its domain; not needed for a folder of export files",
    )
    client_id: Guid | None = Field(
        default=None, description="Application (client) id; empty for Azure's own with device code"
    )
    subscription_id: Guid | None = Field(
        default=None, description="Subscription to ingest; empty where others are only found"
    )
    datasets: tuple[Dataset, ...] = Field(
        default=(), description="Datasets to ingest; empty: all. An export may hold others' costs"
    )
    discover: bool = Field(
        default=False, description="Find the other subscriptions that the credentials see"
    )
    management_group: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_().-]{1,90}$",
        description="Find the subscriptions below this management group",
    )
    sign_in: Literal["client_secret", "device_code"] = Field(
        default="client_secret", description="device_code is for a person at `account test`"
    )
    cost_source: CostSource = Field(
        default="query", description="Where costs come from; exports are richer and preferred"
    )
    export_url: str | None = Field(
        default=None,
        description="Folder of the export: https://name.blob.core.windows.net/container/folder",
    )
    amortized_export_url: str | None = Field(
        default=None, description="The same of the amortized export, beside the actual one"
    )
    control_scope: str | None = Field(
        default=None,
        pattern=r"^/(subscriptions|providers/Microsoft\.Billing|providers/Microsoft\.Management)/",
        description="Scope of the export, /subscriptions/...: its daily totals are asked by query",
    )
    units_per_minute: int = Field(
        default=60, gt=0, description="Share of the tenant's 60 query processing units a minute"
    )
    authority: str = Field(default=PUBLIC_AUTHORITY, description="Another address for signing in")
    endpoint_url: str | None = Field(
        default=None, description="Another address for Azure Resource Manager"
    )
    ca_bundle: str | None = Field(
        default=None, description="File of certificates to trust instead of the public ones"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("authority", "endpoint_url"):
            url = getattr(self, name)
            if url and not re.match(r"https://[^/]+", url):
                raise ValueError(f"{name} must begin with https://")
        if self.cost_source != "query" and not self.export_url:
            raise ValueError(f"cost_source {self.cost_source} needs export_url")
        if self.cost_source == "export_actual_amortized" and not self.amortized_export_url:
            raise ValueError("cost_source export_actual_amortized needs amortized_export_url")
        if self.tenant_id is None and self.needs_credentials:
            raise ValueError("tenant_id is missing")
        return self

    @property
    def needs_credentials(self) -> bool:
        """Whether anything is asked of Azure: not where export files were copied to a folder."""
        urls = [each for each in (self.export_url, self.amortized_export_url) if each]
        is_remote = any(each.startswith("https://") for each in urls)
        asks = self.cost_source == "query" or is_remote or self.finds_others
        return bool(asks or self.control_scope or self.subscription_id)

    @property
    def finds_others(self) -> bool:
        """Whether subscriptions below become accounts of their own."""
        return self.discover or self.management_group is not None

    @property
    def is_public_cloud(self) -> bool:
        """Whether Microsoft knows the sign-in address, so that it may be looked up there."""
        return self.authority.rstrip("/") == PUBLIC_AUTHORITY
