"""The estate's use of models as the lines of both vendors' cost and usage reports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.sandbox.llm_costs import CostLine, UsageLine
from astraeus_pipeline.sandbox.llm_estate import Fee, LlmEstate, Use, Vendor

# How each vendor calls the kinds of tokens: OpenAI in its line items, Anthropic as token types.
_LINE_ITEMS: Final = {"input": "input", "cached_input": "cached input", "output": "output"}
_TOKEN_TYPES: Final = {
    "input": "uncached_input_tokens",
    "cached_input": "cache_read_input_tokens",
    "cache_write_5m": "cache_creation.ephemeral_5m_input_tokens",
    "output": "output_tokens",
}


class EstateLines:
    """Serves the estate's lines from its first day to today, as the emulator asks for them."""

    def __init__(self, estate: LlmEstate, today: date) -> None:
        self._estate, self._today = estate, today

    def costs(self, vendor: Vendor, first: date, end: date) -> Iterator[CostLine]:
        """Yield the cost lines of a vendor from `first` to the day before `end`."""
        days = self._days(first, end)
        if days is None:
            return
        for use in self._estate.uses(vendor, days):
            for kind in use.tokens:
                yield (_openai if vendor == "openai" else _anthropic)(use, kind)
        for fee in self._estate.fees(vendor, days):
            yield _fee(vendor, fee)

    def usage(self, vendor: Vendor, first: date, end: date) -> Iterator[UsageLine]:
        """Yield the usage lines of a vendor."""
        days = self._days(first, end)
        if days is None:
            return
        for use in self._estate.uses(vendor, days):
            yield (_openai_usage if vendor == "openai" else _anthropic_usage)(use)

    def _days(self, first: date, end: date) -> DayRange | None:
        last = min(end - timedelta(days=1), self._today)
        return DayRange(first, last) if first <= last else None


def _openai(use: Use, kind: str) -> CostLine:
    work = use.workload
    return CostLine(
        use.day,
        use.cost(kind),
        {"project_id": work.project, "line_item": f"{work.model}, {_LINE_ITEMS[kind]}"},
        quantity=use.tokens[kind],
    )


def _anthropic(use: Use, kind: str) -> CostLine:
    work = use.workload
    return CostLine(
        use.day,
        use.cost(kind),
        {"workspace_id": work.project, "description": f"{work.model} {work.tier} - {kind}"},
        told_by_description={
            "cost_type": "tokens",
            "model": work.model,
            "token_type": _TOKEN_TYPES[kind],
            "service_tier": work.tier,
            "context_window": "0-200k",
        },
    )


def _fee(vendor: Vendor, fee: Fee) -> CostLine:
    if vendor == "openai":
        return CostLine(fee.day, fee.cost, {"project_id": fee.project, "line_item": fee.name})
    return CostLine(
        fee.day,
        fee.cost,
        {"workspace_id": fee.project, "description": fee.name},
        told_by_description={"cost_type": "web_search"},
    )


def _openai_usage(use: Use) -> UsageLine:
    work, tokens = use.workload, use.tokens
    cached = tokens.get("cached_input", 0)
    measures = {
        "input_tokens": tokens["input"] + cached,
        "num_model_requests": use.requests,
    }
    if work.endpoint == "completions":
        measures |= {
            "output_tokens": tokens["output"],
            "input_cached_tokens": cached,
            "input_audio_tokens": 0,
            "output_audio_tokens": 0,
        }
    groups: dict[str, object] = {
        "project_id": work.project,
        "user_id": work.user,
        "api_key_id": work.api_key,
        "model": work.model,
    }
    if work.endpoint == "completions":
        groups |= {"batch": False, "service_tier": work.tier}
    return UsageLine(use.day, work.endpoint, groups, measures)


def _anthropic_usage(use: Use) -> UsageLine:
    work, tokens = use.workload, use.tokens
    groups = {
        "workspace_id": work.project,
        "api_key_id": work.api_key,
        "model": work.model,
        "service_tier": work.tier,
        "context_window": "0-200k",
    }
    measures = {
        "uncached_input_tokens": tokens["input"],
        "cache_read_input_tokens": tokens.get("cached_input", 0),
        "cache_creation.ephemeral_5m_input_tokens": tokens.get("cache_write_5m", 0),
        "cache_creation.ephemeral_1h_input_tokens": 0,
        "output_tokens": tokens["output"],
        "server_tool_use.web_search_requests": 0,
    }
    return UsageLine(use.day, "messages", groups, measures)
