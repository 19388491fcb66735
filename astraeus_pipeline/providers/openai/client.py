"""The OpenAI API of one organization, by its admin key."""

from __future__ import annotations

from datetime import date

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.providers.openai.config import OpenAiConfig
from astraeus_pipeline.reports import daily, listing
from astraeus_pipeline.reports.api import Answer, JsonApi, Parameters

_DAY = 86_400


class OpenAiApi(JsonApi):
    """Requests with the admin key as bearer token."""

    def __init__(self, account: Account, config: OpenAiConfig) -> None:
        organization = config.organization_id
        chosen = {"openai-organization": organization} if organization else {}
        super().__init__(
            account,
            "OpenAI",
            config.base_url,
            lambda key: {"authorization": f"Bearer {key}", **chosen},
        )
        self._organization = organization

    def daily(
        self, path: str, days: DayRange, group_by: tuple[str, ...], limit: int, attempt: str
    ) -> list[Answer]:
        """Return all pages of a report in daily buckets; `limit` is the most days of one page.

        Source: organization usage and costs, API v1 (platform.openai.com/docs/api-reference/usage).
        """
        parameters: Parameters = [
            ("start_time", str(_seconds(days.first))),
            ("end_time", str(_seconds(days.end))),
            ("bucket_width", "1d"),
            ("limit", str(min(limit, len(days)))),
            *(("group_by", each) for each in group_by),
        ]
        report = daily.Report(f"/v1/organization/{path}", parameters, days, day_of, attempt)
        return list(daily.pages(self, report))

    def projects(self) -> list[Answer]:
        """Return the pages of the organization's projects, archived ones too.

        Source: GET /v1/organization/projects (API v1).
        """
        parameters: Parameters = [("limit", "100"), ("include_archived", "true")]
        path, attempt = "/v1/organization/projects", "the names of projects"
        return list(listing.listed(self, path, parameters, "after", attempt))

    def organization(self, answer: Answer) -> str | None:
        """Return the organization that answered, as its header or else the account's row says."""
        return answer.headers.get("openai-organization") or self._organization


def day_of(bucket: dict[str, object]) -> date:
    """Return the UTC day of a bucket {start_time, end_time, results}, times in Unix seconds."""
    start = bucket["start_time"]
    if isinstance(start, bool) or not isinstance(start, int):
        raise TypeError("start_time is no number of seconds")
    return daily.whole_day(start)


def _seconds(day: date) -> int:
    return (day - date(1970, 1, 1)).days * _DAY
