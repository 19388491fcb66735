"""The app's own settings, from variables that begin with ASTRAEUS_APP_."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

from pydantic_settings import SettingsConfigDict

from astraeus_pipeline.settings import FromEnvironment


class AppSettings(FromEnvironment):
    """What a page shows as important, and how long it may ask."""

    model_config = SettingsConfigDict(env_prefix="ASTRAEUS_APP_", frozen=True)

    # Changes below this share of the former figure are grey.
    material_percent: Decimal = Decimal(5)
    query_timeout_seconds: int = 20
    cache_seconds: int = 300
    # Tag keys that say whose a resource is, whatever their case; the first that is there is shown.
    owner_tags: tuple[str, ...] = ("owner", "team")


@cache
def app_settings() -> AppSettings:
    """Return the settings as this process was started with: reading them takes a millisecond."""
    return AppSettings()
