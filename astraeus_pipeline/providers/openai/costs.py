"""OpenAI's organization costs: by project and line item, and without any grouping as control."""

from __future__ import annotations

from typing import Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing
from astraeus_pipeline.providers.openai.client import OpenAiApi, day_of
from astraeus_pipeline.providers.openai.records import money_of
from astraeus_pipeline.reports import daily

_GROUPS: Final = ("project_id", "line_item")
_DAYS_A_PAGE: Final = 180
# A double holds 15 digits for sure: 10 decimals of a cost below 100,000.
_SURE_PLACES: Final = 10


def fetch_costs(api: OpenAiApi, days: DayRange, landing: Landing) -> Fetched:
    """Ask for the days' costs by project and line item, and for their totals.

    Shape: {data: [{start_time, results: [{amount: {value, currency}, project_id, line_item}]}]}.
    Units: `value` in whole units of `currency` (lower case in the answer).
    Raises: NotObtainable for days to come, TransientError if the two answers differ in their days.
    Source: GET /v1/organization/costs (API v1).
    """
    asked = daily.askable(api, days)
    about = f"costs of {asked}"
    totals = api.daily("costs", asked, (), _DAYS_A_PAGE, f"the total {about}")
    details = api.daily("costs", asked, _GROUPS, _DAYS_A_PAGE, f"the {about} by line item")
    found, stated = daily.by_day(details, day_of), daily.by_day(totals, day_of)
    daily.compare_days(api, found, stated, about)
    lines = [
        *(daily.line("names", page) for page in api.projects()),
        *(daily.line("totals", page, organization_id=api.organization(page)) for page in totals),
        *(daily.line("costs", page, organization_id=api.organization(page)) for page in details),
    ]
    return Fetched(
        account_id=api.account.slug,
        dataset="costs",
        days=days,
        source="api",
        source_name="OpenAI organization costs",
        parts=(landing.put(f"openai-costs-{days}.jsonl", lines, "jsonl"),),
        complete_through=daily.complete_through(found, api.today),
        controls=tuple(
            daily.controls(
                found,
                stated,
                money_of,
                api.today,
                "OpenAI costs without grouping",
                most_places=_SURE_PLACES,
            )
        ),
        requests=api.requests,
    )
