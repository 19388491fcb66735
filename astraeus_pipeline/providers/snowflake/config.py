"""What a Snowflake account's row may say."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

CostsFrom = Literal["auto", "organization_usage", "account_usage"]


class SnowflakeConfig(BaseModel):
    """Configuration of one Snowflake account; the private key is kept apart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str = Field(
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="Account identifier: organization-account, or locator.region.cloud",
    )
    user: str = Field(min_length=1, description="User whose public key is registered")
    role: str | None = Field(default=None, description="Role to use; the user's default otherwise")
    warehouse: str | None = Field(
        default=None, description="Warehouse to ask with; the user's default otherwise"
    )
    costs_from: CostsFrom = Field(
        default="auto",
        description="organization_usage: bills in currency; account_usage: credits at a price, the"
        " one below or the rate sheet's; auto: the first, and the second where the role may not see"
        " it and there is a price below",
    )
    credit_price: Decimal | None = Field(
        default=None, gt=0, description="Price of a credit, where the bill is not visible"
    )
    storage_price: Decimal | None = Field(
        default=None, gt=0, description="Price of a TB and month, where the bill is not visible"
    )
    currency: str = Field(
        default="USD", pattern="^[A-Z]{3}$", description="Currency of these two prices"
    )
    endpoint_url: str | None = Field(
        default=None, description="Another address, as for private connectivity"
    )

    @property
    def may_use_credits(self) -> bool:
        """Whether credits may stand in where the bill in currency cannot be seen."""
        return self.costs_from == "auto" and self.credit_price is not None

    def address(self) -> dict[str, str | int | bool]:
        """Return host, port and protocol where another address is configured.

        The proxy that the environment may name cannot reach this machine's own addresses.
        """
        if self.endpoint_url is None:
            return {}
        url = urlsplit(self.endpoint_url)
        port = url.port or (443 if url.scheme == "https" else 80)
        host = url.hostname or ""
        proxied = {"use_proxy_env": False} if host in ("127.0.0.1", "localhost") else {}
        return {"host": host, "port": port, "protocol": url.scheme, **proxied}
