"""The Anthropic Admin API of one organization, by its admin key."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any, Final

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import PayloadError
from astraeus_pipeline.providers.anthropic.config import AnthropicConfig
from astraeus_pipeline.reports import daily, listing
from astraeus_pipeline.reports.api import Answer, JsonApi, Parameters

_VERSION: Final = "2023-06-01"
_DAYS_A_PAGE: Final = 31


class AnthropicApi(JsonApi):
    """Requests with the admin key as x-api-key."""

    def __init__(self, account: Account, config: AnthropicConfig) -> None:
        super().__init__(
            account,
            "Anthropic",
            config.base_url,
            lambda key: {"x-api-key": key, "anthropic-version": _VERSION},
        )

    def organization(self) -> dict[str, Any]:
        """Return the organization of the key as {id, name}.

        Source: GET /v1/organizations/me (Admin API, version 2023-06-01).
        """
        attempt = "asking whose key it is"
        answer = self.get("/v1/organizations/me", (), attempt).content
        if not isinstance(answer.get("id"), str):
            self.fail(PayloadError, attempt, "told no organization")
        return answer

    def workspaces(self) -> list[Answer]:
        """Return the pages of the organization's workspaces, archived ones too.

        Source: GET /v1/organizations/workspaces (Admin API, version 2023-06-01).
        """
        parameters: Parameters = [("limit", "1000"), ("include_archived", "true")]
        path, attempt = "/v1/organizations/workspaces", "the names of workspaces"
        return list(listing.listed(self, path, parameters, "after_id", attempt))

    def daily(
        self, path: str, days: DayRange, group_by: tuple[str, ...], attempt: str
    ) -> list[Answer]:
        """Return all pages of a report in daily buckets.

        Source: usage_report and cost_report (Usage and Cost Admin API, version 2023-06-01), which
        the later Usage and Cost Analytics API (in beta) calls legacy.
        """
        parameters: Parameters = [
            ("starting_at", daily.midnight(days.first)),
            ("ending_at", daily.midnight(days.end)),
            ("bucket_width", "1d"),
            ("limit", str(min(_DAYS_A_PAGE, len(days)))),
            *(("group_by[]", each) for each in group_by),
        ]
        report = daily.Report(f"/v1/organizations/{path}", parameters, days, day_of, attempt)
        return list(daily.pages(self, report))


def day_of(bucket: dict[str, Any]) -> date:
    """Return the UTC day of a bucket {starting_at, ending_at, results}, times in RFC 3339."""
    start = datetime.fromisoformat(bucket["starting_at"])
    if start.utcoffset() is None or start.utcoffset() or start.time() != time():
        raise ValueError(f"{start} is not the start of a UTC day")
    return start.date()
