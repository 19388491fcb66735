"""What an Anthropic account's row may say."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from astraeus_pipeline.reports.configuration import ORIGIN


class AnthropicConfig(BaseModel):
    """Configuration of one Anthropic organization; its admin key is kept apart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = Field(
        default="https://api.anthropic.com",
        pattern=ORIGIN,
        description="Another address of the API",
    )
