"""What an invented company spends on language models: pure, deterministic, one line per meter.

Costs are tokens times price, without rounding; a past day changes by revision alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.sandbox.estate import Estate

Vendor = Literal["openai", "anthropic"]

_SEED: Final = 20_261_125
_MILLION: Final = Decimal(1_000_000)
# Days back from the anchor on which revision 1 finds usage that had arrived late.
LATE_DAYS: Final = range(1, 3)


@dataclass(frozen=True)
class Organization:
    """One customer of a vendor; `admin_key` opens nothing but the emulator."""

    slug: str
    vendor: Vendor
    number: str
    name: str
    admin_key: str
    projects: tuple[tuple[str, str], ...]  # id and name


@dataclass(frozen=True)
class Workload:
    """One model as a project uses it: tokens of an average day and prices per million, in USD.

    `tokens` and `prices` share their keys: input, cached_input, cache_write_5m, output.
    """

    project: str | None
    model: str
    api_key: str | None
    requests: int
    tokens: dict[str, int]
    prices: dict[str, str]
    user: str | None = None
    endpoint: str = "completions"
    tier: str = "standard"
    weekend: float = 0.4


@dataclass(frozen=True)
class Use:
    """A workload on one day: tokens per kind, and requests."""

    day: date
    workload: Workload
    requests: int
    tokens: dict[str, int]

    def cost(self, kind: str) -> Decimal:
        """Return the exact cost of a kind of token in USD."""
        return self.tokens[kind] * Decimal(self.workload.prices[kind]) / _MILLION


@dataclass(frozen=True)
class Fee:
    """A cost that is not of tokens: searches, storage."""

    day: date
    project: str | None
    name: str
    cost: Decimal


OPENAI: Final = Organization(
    "initech-openai",
    "openai",
    "org-initech",
    "Initech on OpenAI",
    "sk-admin-demo",
    (("proj_support", "Support assistant"), ("proj_search", "Search"), ("proj_old", "Old trial")),
)
ANTHROPIC: Final = Organization(
    "initech-anthropic",
    "anthropic",
    "5e0c7a54-1d0f-4c1e-9a53-3f1b4a6f2c10",
    "Initech on Claude",
    "sk-ant-admin-demo",
    (("wrkspc_agents", "Agents"),),
)
ORGANIZATIONS: Final = (OPENAI, ANTHROPIC)

_WORKLOADS: Final[dict[Vendor, tuple[Workload, ...]]] = {
    "openai": (
        Workload(
            "proj_support",
            "gpt-4o-2024-08-06",
            "key_support",
            8_200,
            {"input": 14_500_000, "cached_input": 6_100_000, "output": 1_900_000},
            {"input": "2.50", "cached_input": "1.25", "output": "10.00"},
            tier="default",
        ),
        Workload(
            "proj_search",
            "gpt-4o-mini-2024-07-18",
            "key_search",
            31_000,
            {"input": 52_000_000, "cached_input": 11_000_000, "output": 6_400_000},
            {"input": "0.15", "cached_input": "0.075", "output": "0.60"},
            user="user_ada",
            tier="default",
        ),
        Workload(
            "proj_search",
            "text-embedding-3-small",
            "key_search",
            12_500,
            {"input": 210_000_000},
            {"input": "0.02"},
            user="user_ada",
            endpoint="embeddings",
        ),
    ),
    "anthropic": (
        Workload(
            "wrkspc_agents",
            "claude-sonnet-4-5-20250929",
            "apikey_agents",
            5_400,
            {
                "input": 7_300_000,
                "cached_input": 41_000_000,
                "cache_write_5m": 3_900_000,
                "output": 2_600_000,
            },
            {"input": "3.00", "cached_input": "0.30", "cache_write_5m": "3.75", "output": "15.00"},
        ),
        Workload(
            None,
            "claude-haiku-4-5-20251001",
            None,
            2_100,
            {"input": 4_800_000, "cached_input": 900_000, "output": 700_000},
            {"input": "1.00", "cached_input": "0.10", "output": "5.00"},
        ),
        Workload(
            "wrkspc_agents",
            "claude-haiku-4-5-20251001",
            "apikey_nightly",
            900,
            {"input": 22_000_000, "output": 3_100_000},
            {"input": "0.50", "output": "2.50"},
            tier="batch",
            weekend=1.0,
        ),
    ),
}
_FEES: Final[dict[Vendor, tuple[tuple[str | None, str, str], ...]]] = {
    "openai": (("proj_search", "web search tool calls", "3.75"),),
    "anthropic": (("wrkspc_agents", "Web Search Usage", "2.40"),),
}


@dataclass(frozen=True)
class LlmEstate:
    """The company's use of models, in the same state as the rest of its estate."""

    estate: Estate

    def uses(self, vendor: Vendor, days: DayRange) -> Iterator[Use]:
        """Yield each workload's use of the days since the estate's first."""
        for day in days:
            if day >= self.estate.first_day:
                yield from (self._use(each, day) for each in _WORKLOADS[vendor])

    def fees(self, vendor: Vendor, days: DayRange) -> Iterator[Fee]:
        """Yield the costs of the days that are not of tokens."""
        for day in days:
            if day >= self.estate.first_day:
                for project, name, cost in _FEES[vendor]:
                    yield Fee(day, project, name, Decimal(cost))

    def _use(self, workload: Workload, day: date) -> Use:
        name = f"{_SEED}:{workload.project}:{workload.model}:{workload.api_key}:{day}"
        factor = max(0.1, random.Random(name).gauss(1, 0.08))  # noqa: S311 - play
        factor *= workload.weekend if day.isoweekday() >= 6 else 1.0
        if self.estate.revision and (self.estate.anchor - day).days in LATE_DAYS:
            factor *= 1.02
        return Use(
            day,
            workload,
            round(workload.requests * factor),
            {kind: round(count * factor) for kind, count in workload.tokens.items()},
        )
