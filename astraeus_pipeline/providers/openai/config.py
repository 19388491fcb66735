"""What an OpenAI account's row may say."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from astraeus_pipeline.reports.configuration import ORIGIN


class OpenAiConfig(BaseModel):
    """Configuration of one OpenAI organization; its admin key is kept apart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    organization_id: str | None = Field(
        default=None,
        pattern=r"^org-[A-Za-z0-9_-]+$",
        description="Organization to ask for, where the admin key's own does not say which",
    )
    base_url: str = Field(
        default="https://api.openai.com",
        pattern=ORIGIN,
        description="Another address of the API",
    )
