"""The registry of providers, one line each."""

from __future__ import annotations

from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.providers.anthropic import ANTHROPIC
from astraeus_pipeline.providers.aws import AWS
from astraeus_pipeline.providers.azure import AZURE
from astraeus_pipeline.providers.base import Provider
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.providers.openai import OPENAI
from astraeus_pipeline.providers.snowflake import SNOWFLAKE

PROVIDERS: dict[str, Provider] = {
    AWS.key: AWS,
    AZURE.key: AZURE,
    FOCUS.key: FOCUS,
    SNOWFLAKE.key: SNOWFLAKE,
    OPENAI.key: OPENAI,
    ANTHROPIC.key: ANTHROPIC,
}


def provider(key: str) -> Provider:
    """Return the provider with this key.

    Raises: ConfigError naming the known ones.
    """
    try:
        return PROVIDERS[key]
    except KeyError:
        known = ", ".join(PROVIDERS)
        raise ConfigError(
            f"There is no provider {key!r}.", hint=f"Known providers: {known}."
        ) from None
