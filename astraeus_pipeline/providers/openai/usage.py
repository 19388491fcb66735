"""OpenAI's organization usage: each endpoint by the finest groups it tells, checked by totals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing
from astraeus_pipeline.providers.openai.client import OpenAiApi, day_of
from astraeus_pipeline.reports import daily
from astraeus_pipeline.reports.api import Answer

_DAYS_A_PAGE: Final = 31
_WHO: Final = ("project_id", "user_id", "api_key_id", "model")


@dataclass(frozen=True)
class Endpoint:
    """One usage report: its groups, and what it counts beside tokens under which unit."""

    name: str
    group_by: tuple[str, ...] = _WHO
    counts: str | None = None
    unit: str | None = None


ENDPOINTS: Final = (
    Endpoint("completions", (*_WHO, "batch", "service_tier")),
    Endpoint("embeddings"),
    Endpoint("moderations"),
    Endpoint("images", counts="images", unit="images"),
    Endpoint("audio_speeches", counts="characters", unit="characters"),
    Endpoint("audio_transcriptions", counts="seconds", unit="seconds"),
    Endpoint("vector_stores", ("project_id",), "usage_bytes", "bytes"),
    Endpoint("code_interpreter_sessions", ("project_id",), "num_sessions", "sessions"),
)
MEASURES: Final = {
    "num_model_requests": "requests",
    "input_tokens": "input_tokens",
    "input_cached_tokens": "input_cached_tokens",
    "output_tokens": "output_tokens",
    "input_audio_tokens": "input_audio_tokens",
    "output_audio_tokens": "output_audio_tokens",
}


def fetch_usage(api: OpenAiApi, days: DayRange, landing: Landing) -> Fetched:
    """Ask every endpoint for the days' usage, and for its totals to compare with.

    Raises: NotObtainable for days to come; TransientError where groups and totals differ on a day
    that has ended.
    Source: GET /v1/organization/usage/{completions, embeddings, ...} (API v1).
    """
    asked = daily.askable(api, days)
    lines: list[bytes] = []
    known: set[object] = set()
    for endpoint in ENDPOINTS:
        pages = _ask(api, endpoint, asked)
        known |= {*daily.by_day(pages, day_of)}
        lines += [
            daily.line(
                "usage", page, endpoint=endpoint.name, organization_id=api.organization(page)
            )
            for page in pages
        ]
    return Fetched(
        account_id=api.account.slug,
        dataset="utilisation",
        days=days,
        source="api",
        source_name="OpenAI organization usage",
        parts=(landing.put(f"openai-usage-{days}.jsonl", lines, "jsonl"),),
        complete_through=daily.complete_through((day for day in asked if day in known), api.today),
        requests=api.requests,
    )


def _ask(api: OpenAiApi, endpoint: Endpoint, days: DayRange) -> list[Answer]:
    path, about = f"usage/{endpoint.name}", f"{endpoint.name} usage of {days}"
    totals = api.daily(path, days, (), _DAYS_A_PAGE, f"the total {about}")
    details = api.daily(path, days, endpoint.group_by, _DAYS_A_PAGE, f"the {about} by group")
    found, stated = daily.by_day(details, day_of), daily.by_day(totals, day_of)
    daily.compare_days(api, found, stated, about)
    measures = {name: (name,) for name in (*MEASURES, *filter(None, (endpoint.counts,)))}
    daily.compare_measures(api, found, stated, measures, about)
    return details
