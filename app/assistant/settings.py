"""Keys and addresses of model providers, from the environment; without a key there is no chat."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from astraeus_pipeline.settings import FromEnvironment


def _key(name: str) -> SecretStr | None:
    """Return the field of a key: ours first, then the name that the provider's own SDK reads."""
    found: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices(f"ASTRAEUS_LLM_{name}", name)
    )
    return found


class AssistantSettings(FromEnvironment):
    """What the environment decides about models; frozen, and shown without keys."""

    model_config = SettingsConfigDict(
        env_prefix="ASTRAEUS_LLM_", frozen=True, extra="ignore", populate_by_name=True
    )

    openai_api_key: SecretStr | None = _key("OPENAI_API_KEY")
    anthropic_api_key: SecretStr | None = _key("ANTHROPIC_API_KEY")
    google_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices(
            "ASTRAEUS_LLM_GOOGLE_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"
        ),
    )
    perplexity_api_key: SecretStr | None = _key("PERPLEXITY_API_KEY")  # of searches of the web
    # Other addresses of the same interfaces: a company's gateway, a region.
    openai_url: str | None = None
    anthropic_url: str | None = None
    google_url: str | None = None
    perplexity_url: str | None = None
    # Any server that speaks OpenAI's chat completions (Ollama, vLLM); most want no key.
    compatible_url: str | None = None
    compatible_api_key: SecretStr | None = None
    # Instead of app/assistant/models.yaml.
    models_file: Path | None = None
    # Whether models may ask the marts by SQL of their own (chat only); how long, and how dear it
    # may be in the unit of PostgreSQL's planner, where a page read in order is 1.
    adhoc_sql: bool = False
    adhoc_sql_seconds: float = Field(default=10, gt=0)
    adhoc_sql_cost: float = Field(default=2_000_000, gt=0)
    # Until a provider that sends nothing is given up; of one attempt; of a call with all attempts.
    silence_seconds: float = Field(default=30, gt=0)
    attempt_seconds: float = Field(default=90, gt=0)
    call_seconds: float = Field(default=120, gt=0)
    # Before a second try where the provider names no time.
    pause_seconds: float = Field(default=0.5, ge=0)

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @classmethod
    def from_env(cls) -> Self:
        """Read the environment once."""
        return cls()

    def key(self, provider: str) -> SecretStr | None:
        """Return the key of a provider, None where there is none."""
        found: SecretStr | None = getattr(self, f"{provider}_api_key")
        return found

    def url(self, provider: str) -> str | None:
        """Return the address of a provider, None for its own."""
        found: str | None = getattr(self, f"{provider}_url")
        return found

    def is_usable(self, provider: str) -> bool:
        """Whether calls can be made: a key, or the address of a server of one's own."""
        if provider == "compatible":
            return self.compatible_url is not None
        return self.key(provider) is not None
