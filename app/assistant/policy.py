"""models.yaml: which models answer, when a better one takes over, and what may be spent."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from astraeus_pipeline.errors import ConfigError

Provider = Literal["openai", "anthropic", "google", "compatible"]
PROVIDERS: Final[tuple[Provider, ...]] = get_args(Provider)
# What a turn shows of itself: counts, and of input_tokens the largest call.
Signal = Literal["invalid_arguments", "unverified_numbers", "repairs", "input_tokens"]
DEFAULT_FILE: Final = Path(__file__).parent / "models.yaml"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Part):
    """Requests and tokens per minute; None is no limit."""

    rpm: int | None = Field(default=None, gt=0)
    tpm: int | None = Field(default=None, gt=0)


class Caps(_Part):
    """What may be spent, in USD and in calls."""

    usd_per_call: Decimal = Field(gt=0)
    usd_per_turn: Decimal = Field(gt=0)
    usd_per_user_day: Decimal = Field(gt=0)
    model_calls: int = Field(gt=0)
    tool_calls: int = Field(gt=0)
    output_tokens: int = Field(gt=0)


class Web(_Part):
    """Who searches the web."""

    provider: Literal["perplexity"] = "perplexity"
    model: str = "perplexity/sonar"


class ListPrice(_Part):
    """USD per million tokens."""

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)


class Policy(_Part):
    """The file, checked."""

    chain: tuple[Provider, ...] = Field(min_length=1)
    tiers: dict[str, dict[Provider, str]] = Field(min_length=1)
    start: str
    # Those that see what is in PDFs and images; who is not here is not asked to.
    vision: dict[Provider, str] = {}
    escalate_on: dict[Signal, int] = {}
    limits: dict[Provider, Limits] = {}
    caps: Caps
    prices: dict[str, ListPrice] = {}
    web: Web = Web()

    @model_validator(mode="after")
    def _check_start(self) -> Self:
        if self.start not in self.tiers:
            raise ValueError(f"start: {self.start} is none of the tiers {', '.join(self.tiers)}")
        return self


def read_policy(file: Path | None = None) -> Policy:
    """Return the policy of a file. Raises: ConfigError naming what is wrong in it."""
    return _read(file or DEFAULT_FILE)


@cache
def _read(file: Path) -> Policy:
    try:
        content: Any = yaml.safe_load(file.read_text())
        return Policy.model_validate(content)
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}.", hint="Look at ASTRAEUS_LLM_MODELS_FILE."
        ) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is no YAML: {error}.", hint="Compare it with ours.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(each) for each in first["loc"]) or "the file"
        raise ConfigError(
            f"{file}: {where}: {first['msg']}.", hint=f"Compare it with {DEFAULT_FILE.name}."
        ) from None
