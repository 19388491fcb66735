"""Settings from the environment, read once and frozen. The only reader of the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self

import platformdirs
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from astraeus_pipeline.errors import ConfigError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# root's own home is closed to the lesser user that must run PostgreSQL.
ROOT_HOME = Path("/var/lib/astraeus")


def default_home() -> Path:
    """Return the folder of database, landing store and keys unless ASTRAEUS_HOME says so."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return ROOT_HOME
    return Path(platformdirs.user_data_dir("astraeus"))


def secrets_folder() -> Path | None:
    """Return the folder whose files stand for variables of their names, if there is one.

    Raises: ConfigError if ASTRAEUS_SECRETS_DIR names none: nothing is to start without its secrets.
    """
    named = os.environ.get("ASTRAEUS_SECRETS_DIR")
    if not named:
        return None
    if not Path(named).is_dir():
        raise ConfigError(
            f"ASTRAEUS_SECRETS_DIR is {named}, which is no folder that this process can see.",
            hint="Mount the secrets there, or unset it.",
        )
    return Path(named)


def secret(name: str) -> str | None:
    """Return a variable that somebody names, from the environment or from the file of its name."""
    if text := os.environ.get(name):
        return text
    folder = secrets_folder()
    if folder is None or Path(name).name != name:
        return None
    found = SecretsSettingsSource.find_case_path(folder, name, case_sensitive=False)
    return found.read_text(encoding="utf-8").strip() if found else None


class FromEnvironment(BaseSettings):
    """Settings from variables, or from files of their names: an environment is easily read."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given, else the variable, else the file."""
        files = SecretsSettingsSource(settings_cls, secrets_folder())
        return init_settings, env_settings, files


class Settings(FromEnvironment):
    """What the environment decides, all of it prefixed ASTRAEUS_; immutable once read."""

    model_config = SettingsConfigDict(
        env_prefix="ASTRAEUS_", frozen=True, extra="ignore", populate_by_name=True
    )

    home: Path = Field(default_factory=default_home)
    database_url: SecretStr | None = Field(
        default=None, description="A PostgreSQL 15 or later to use instead of the embedded one"
    )
    landing_url: str | None = Field(
        default=None, description="Where payloads are kept: a folder, s3://... or abfs://..."
    )
    landing_options: dict[str, str] = Field(
        default_factory=dict,
        repr=False,  # keys, say
        description="Options of the landing file system, as JSON (endpoints, keys)",
    )
    master_keys: SecretStr | None = Field(
        default=None, description="Key ring: base64 keys of 32 bytes, newest first, comma separated"
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="How our processes log: for people, or a JSON object a line"
    )
    traces: bool = Field(
        default=False, description="Send OpenTelemetry spans; OTEL_... variables say where to"
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        description="Bearer token that metrics are given out for; the app tells none without one",
    )
    backup_passphrase: SecretStr | None = Field(
        default=None, description="Seals the key ring that `astraeus backup` saves beside a backup"
    )
    focus_python: Path | None = Field(
        default=None,
        validation_alias="FOCUS_PYTHON",
        description="A Python 3.12 for the FOCUS validator; else pyenv's or that of the PATH",
    )
    app_url: str | None = Field(
        default=None, description="Where people reach the app; links in alerts lead there"
    )
    dagster_url: str | None = Field(
        default=None,
        description="Dagster's web server, as the app reaches it to ask for days",
    )
    dagster_public_url: str | None = Field(
        default=None,
        description="Where browsers reach it: links to runs lead there. As ASTRAEUS_DAGSTER_URL if"
        " left out; pages have no links where it is empty",
    )

    executor: Literal["in_process", "celery"] = Field(
        default="in_process", description="Where steps of runs execute: in the run, or on workers"
    )
    celery_broker: SecretStr | None = Field(
        default=None, description="Redis of Celery's workers: redis:// or rediss://, password too"
    )
    worker_lost_after: int = Field(
        default=90,
        ge=5,
        description="Seconds of silence after which a worker's steps are given to another",
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @classmethod
    def from_env(cls) -> Self:
        """Read the environment once."""
        return cls()

    @property
    def is_embedded(self) -> bool:
        """Whether the database is the one from the wheel."""
        return self.database_url is None

    @property
    def dagster_pages(self) -> str | None:
        """Where links to runs lead, None where there are to be none."""
        told = self.dagster_public_url
        url = self.dagster_url if told is None else told
        return url.rstrip("/") if url else None

    @property
    def landing_root(self) -> str:
        """URL or folder of the landing store."""
        return self.landing_url or str(self.home / "landing")
