"""What is held against the validator's findings: criteria, baselines and waivers, checked in.

`policy/<provider>.toml` says which of the standard's applicability criteria hold for a provider,
why the others do not, and what was reached already; `policy/waivers.toml` which lapses are let
through, each with its reason and the date to look at it again.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from astraeus_pipeline.errors import ConfigError

POLICY: Final = Path(__file__).parent / "policy"
_WAIVERS: Final = "waivers.toml"
Model = TypeVar("Model", bound=BaseModel)


# All of FOCUS 1.2; a policy says yes or no to each.
CRITERIA: Final = frozenset(
    {
        "ACCOUNT_NAMING_SUPPORTED",
        "AVAILABILITY_ZONE_SUPPORTED",
        "BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED",
        "CAPACITY_RESERVATION_SUPPORTED",
        "COMMITMENT_DISCOUNT_SUPPORTED",
        "MULTIPLE_BILLING_ACCOUNT_TYPES_SUPPORTED",
        "MULTIPLE_PRICING_CATEGORIES_SUPPORTED",
        "MULTIPLE_SUB_ACCOUNT_TYPES_SUPPORTED",
        "NEGOTIATED_PRICING_SUPPORTED",
        "PRICING_BILLING_CURRENCY_DIFFERENCES_SUPPORTED",
        "PUBLIC_PRICE_LIST_SUPPORTED",
        "REGION_SUPPORTED",
        "RESOURCE_TYPE_ASSIGNMENT_SUPPORTED",
        "SUB_ACCOUNT_SUPPORTED",
        "TAGGING_SUPPORTED",
        "UNIT_PRICING_SUPPORTED",
        "USAGE_MEASUREMENT_SUPPORTED",
        "VIRTUAL_CURRENCY_SUPPORTED",
    }
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Baseline(_Strict):
    """What a provider's export reached: leaves, not composites."""

    passed: int = Field(description="Rules that pass; may only rise")
    not_applicable: int = Field(description="Rules that are skipped at most; may only fall")
    waivers: int = Field(description="Waivers at most; may only fall")


class Policy(_Strict):
    """What the gate asks of one provider."""

    criteria: tuple[str, ...] = Field(description="The standard's applicability criteria that hold")
    not_claimed: Mapping[str, str] = Field(description="The other criteria, each with its reason")
    baseline: Baseline

    @model_validator(mode="after")
    def _answers_all(self) -> Self:
        answered = [*self.criteria, *self.not_claimed]
        if sorted(answered) != sorted(CRITERIA):
            odd = sorted({each for each in CRITERIA | {*answered} if answered.count(each) != 1})
            raise ValueError(f"each criterion belongs once to criteria or not_claimed: {odd}")
        return self


class Waiver(_Strict):
    """One lapse that is let through."""

    rule: str
    provider: str
    reason: str = Field(min_length=20)
    review: date = Field(description="Day from which the waiver no longer holds unless renewed")


class Policies:
    """The policy folder, read."""

    def __init__(self, providers: Mapping[str, Policy], waivers: tuple[Waiver, ...]) -> None:
        self.providers, self.waivers = providers, waivers

    @classmethod
    def read(cls, folder: Path = POLICY) -> Self:
        """Read every file of the folder.

        Raises: ConfigError naming the file and the entry that is wrong.
        """
        files = sorted(path for path in folder.glob("*.toml") if path.name != _WAIVERS)
        providers = {path.stem: _parsed(path, Policy) for path in files}
        return cls(providers, _parsed(folder / _WAIVERS, _Waivers).waiver)

    def of(self, provider: str) -> Policy:
        """Return a provider's policy.

        Raises: ConfigError if it has none.
        """
        if provider not in self.providers:
            raise ConfigError(
                f"Nobody has said what FOCUS may ask of {provider}.",
                hint=f"Write conformance/policy/{provider}.toml as its neighbours are.",
            )
        return self.providers[provider]

    def waivers_of(self, provider: str) -> tuple[Waiver, ...]:
        """Return the waivers of one provider."""
        return tuple(each for each in self.waivers if each.provider == provider)


class _Waivers(_Strict):
    waiver: tuple[Waiver, ...] = ()


def _parsed(path: Path, model: type[Model]) -> Model:
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text())
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"The FOCUS gate's {path.name}: {where}: {first['msg']}.") from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"The FOCUS gate's {path.name} cannot be read: {error}.") from None
