"""What servers offer beside tools: resources to read, and prompts to begin a piece of work with.

A resource is what one of the tools says, so it is seen by row-level security as the
tool is, and logged like it. A prompt names tools and days, never a figure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote

from app.assistant.tools.contract import Server
from astraeus_pipeline.errors import ConfigError

CATALOG: Final = "astraeus://catalog/metrics"
_MONTH: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True)
class Readable:
    """A resource, or with `{name}` in its address a template of such: the rows of a tool."""

    uri: str
    name: str
    title: str
    description: str
    tool: str

    @property
    def is_template(self) -> bool:
        """Whether the address has a part to fill in."""
        return self.uri.endswith("{name}")

    def asked(self, uri: str) -> dict[str, Any] | None:
        """Return the arguments of the tool for an address, None if it is another's."""
        if not self.is_template:
            return {} if uri == self.uri else None
        start, name = self.uri.removesuffix("{name}"), uri.rpartition("/")[2]
        return {"name": unquote(name)} if name and uri == start + name else None


@dataclass(frozen=True)
class Work:
    """A prompt: what to do, as words for a model; `month` is its one argument, if it takes one."""

    name: str
    title: str
    description: str
    words: str
    by_month: bool = True

    def of(self, arguments: Mapping[str, str]) -> str:
        """Return the words, of a month: the last whole one where none is given.

        Raises: ConfigError for another argument, or what is no month.
        """
        unknown = set(arguments) - ({"month"} if self.by_month else set())
        if unknown:
            raise ConfigError(f"There is no argument {sorted(unknown)[0][:80]!r}.")
        first, end = _days(arguments.get("month") or "")
        before = (first - timedelta(days=1)).replace(day=1)
        days = {"first": first, "end": end, "before": before}
        return self.words.format(**{name: day.isoformat() for name, day in days.items()})


_FRESHNESS: Final = Readable(
    "astraeus://freshness",
    "freshness",
    "Freshness of the data",
    "Per account and dataset: the last day delivered, days missing, estimated, restated.",
    "get_stats",
)
READABLE: Final[dict[Server, tuple[Readable, ...]]] = {
    "infrastructure": (
        Readable(
            CATALOG,
            "metrics",
            "Metrics and dimensions",
            "What costs can be asked for, and grouped and filtered by.",
            "list_metrics",
        ),
        _FRESHNESS,
        Readable(
            f"{CATALOG}/{{name}}",
            "metric",
            "Metric or dimension",
            "What a metric means, or which values a dimension has.",
            "describe_metric",
        ),
    ),
    "cloud_sync": (_FRESHNESS,),
    "llm_analytics": (
        Readable(
            "astraeus://usage/models",
            "model_usage",
            "Use of language models",
            "The assistant's calls, tokens and cost of the last 30 days, by model.",
            "analyze_usage",
        ),
    ),
}

WORK: Final[dict[Server, tuple[Work, ...]]] = {
    "infrastructure": (
        Work(
            "monthly_review",
            "Review of a month",
            "What a month cost, why it changed, budgets, what was unexpected, what is missing.",
            "Review the cloud costs of the month from {first} (included) to {end} (excluded).\n"
            "1. get_stats: say first which days are missing or not final.\n"
            "2. get_costs by service and by account, compared with the month from {before}.\n"
            "3. explain_change between these months: the drivers that make up most of it.\n"
            "4. get_budgets, get_anomalies and get_alerts of these days.\n"
            "Give each currency apart and never add them up. Say only figures that are in a"
            " result; what no result tells, name as missing. End with what to decide, and who"
            " has to.",
        ),
        Work(
            "why_costs_changed",
            "Why did costs change?",
            "The drivers of a month's change against the month before.",
            "Explain why costs of the month from {first} (included) to {end} (excluded) differ from"
            " those of the month from {before}. Ask explain_change; go into the two largest drivers"
            " with get_costs. The parts must add up to the difference that the result states.",
        ),
    ),
    "cloud_sync": (
        Work(
            "close_gaps",
            "Close gaps in the data",
            "Find out whether credentials work, and plan to ingest missing days again.",
            "Find out why days of an account are missing. Ask which account, then"
            " validate_credentials of it; if they work, call sync_resources for the missing days"
            " with dry_run=true and show the plan. Do not call it with dry_run=false before the"
            " person has said yes to that very plan.",
            by_month=False,
        ),
    ),
    "llm_analytics": (
        Work(
            "model_spend_review",
            "Review of model spend",
            "What language models took and cost in a month, and what other models would.",
            "Review the use of language models from {first} (included) to {end} (excluded).\n"
            '1. analyze_usage with source "billed", then "assistant", by model.\n'
            "2. optimize_models for the same days.\n"
            "Say which costs are estimates by list prices and how many calls have no known price."
            " What the assistant's own calls cost is also in the vendor's bill: never add the two.",
        ),
    ),
}


def found(server: Server, uri: str) -> tuple[Readable, dict[str, Any]] | None:
    """Return the resource at an address with its tool's arguments, None if there is none."""
    for each in READABLE[server]:
        asked = each.asked(uri)
        if asked is not None:
            return each, asked
    return None


def work(server: Server, name: str) -> Work | None:
    """Return a prompt of a server, None if there is none of this name."""
    return next((each for each in WORK[server] if each.name == name), None)


def _days(month: str) -> tuple[date, date]:
    """Return the first day of a month and the first after it. Raises: ConfigError."""
    if not month:
        end = datetime.now(UTC).date().replace(day=1)
        return (end - timedelta(days=1)).replace(day=1), end
    parts = _MONTH.fullmatch(month)
    if parts is None or not "1900" <= parts[1] < "2200":
        raise ConfigError(f"{month[:40]!r} is no month.", hint="Give it as 2026-10.")
    first = date(int(parts[1]), int(parts[2]), 1)
    return first, (first + timedelta(days=31)).replace(day=1)
