"""Anthropic's cost report: by workspace and description, and without any grouping as control."""

from __future__ import annotations

from typing import Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, Landing
from astraeus_pipeline.providers.anthropic.client import AnthropicApi, day_of
from astraeus_pipeline.providers.anthropic.records import money_of
from astraeus_pipeline.reports import daily

_GROUPS: Final = ("workspace_id", "description")


def fetch_costs(api: AnthropicApi, days: DayRange, landing: Landing) -> Fetched:
    """Ask for the days' costs by workspace and description, and for their totals.

    Shape: {data: [{starting_at, results: [{amount, currency, workspace_id, description, ...}]}]}.
    Units: `amount` is a decimal string in the lowest unit of `currency`: "123.45" USD is $1.2345.
    Raises: NotObtainable for days to come, TransientError if the two answers differ in their days.
    Source: GET /v1/organizations/cost_report (Admin API, version 2023-06-01). Priority tier costs
    are not in it.
    """
    asked = daily.askable(api, days)
    organization = api.organization()
    facts = {"organization_id": organization["id"], "organization_name": organization.get("name")}
    about = f"costs of {asked}"
    totals = api.daily("cost_report", asked, (), f"the total {about}")
    details = api.daily("cost_report", asked, _GROUPS, f"the {about} by description")
    found, stated = daily.by_day(details, day_of), daily.by_day(totals, day_of)
    daily.compare_days(api, found, stated, about)
    lines = [
        *(daily.line("names", page) for page in api.workspaces()),
        *(daily.line("totals", page, **facts) for page in totals),
        *(daily.line("costs", page, **facts) for page in details),
    ]
    return Fetched(
        account_id=api.account.slug,
        dataset="costs",
        days=days,
        source="api",
        source_name="Anthropic cost report",
        parts=(landing.put(f"anthropic-costs-{days}.jsonl", lines, "jsonl"),),
        complete_through=daily.complete_through(found, api.today),
        controls=tuple(
            daily.controls(
                found, stated, money_of, api.today, "Anthropic cost report without grouping"
            )
        ),
        requests=api.requests,
    )
