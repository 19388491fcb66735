"""Anthropic's messages usage report: by the finest groups, checked by its totals."""

from __future__ import annotations

from typing import Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing
from astraeus_pipeline.providers.anthropic.client import AnthropicApi, day_of
from astraeus_pipeline.reports import daily

_GROUPS: Final = ("workspace_id", "api_key_id", "model", "service_tier", "context_window")
# Where each measure lies in a result.
MEASURES: Final = {
    "uncached_input_tokens": ("uncached_input_tokens",),
    "cache_read_input_tokens": ("cache_read_input_tokens",),
    "cache_creation_5m_input_tokens": ("cache_creation", "ephemeral_5m_input_tokens"),
    "cache_creation_1h_input_tokens": ("cache_creation", "ephemeral_1h_input_tokens"),
    "output_tokens": ("output_tokens",),
    "web_search_requests": ("server_tool_use", "web_search_requests"),
}


def fetch_usage(api: AnthropicApi, days: DayRange, landing: Landing) -> Fetched:
    """Ask for the days' usage by group, and for its totals to compare with.

    Raises: NotObtainable for days to come; TransientError where groups and totals differ on a day
    that has ended.
    Source: GET /v1/organizations/usage_report/messages (Admin API, version 2023-06-01).
    """
    asked = daily.askable(api, days)
    organization = api.organization()["id"]
    about = f"messages usage of {asked}"
    totals = api.daily("usage_report/messages", asked, (), f"the total {about}")
    details = api.daily("usage_report/messages", asked, _GROUPS, f"the {about} by group")
    found, stated = daily.by_day(details, day_of), daily.by_day(totals, day_of)
    daily.compare_days(api, found, stated, about)
    daily.compare_measures(api, found, stated, MEASURES, about)
    lines = [daily.line("usage", page, organization_id=organization) for page in details]
    return Fetched(
        account_id=api.account.slug,
        dataset="utilisation",
        days=days,
        source="api",
        source_name="Anthropic messages usage report",
        parts=(landing.put(f"anthropic-usage-{days}.jsonl", lines, "jsonl"),),
        complete_through=daily.complete_through(found, api.today),
        requests=api.requests,
    )
