"""The assistant's log: one id per request, no secret, and what a server offers beside tools."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
import structlog
from structlog.testing import capture_logs

from app.assistant import flow
from app.assistant.servers import offers
from app.assistant.tools.contract import READ, Scope, ToolResult, ToolSpec, acting
from app.assistant.tools.registry import TOOLS, of_server
from astraeus_pipeline.errors import ConfigError

CANARIES: Final = (
    "sk-proj-0123456789abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA0123456789abcdefghijk",
    "xoxb-12345678-abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl",
    "Bearer abc.def",
    "postgresql://astraeus:hunter2@db/astraeus",
)


@pytest.mark.parametrize("canary", CANARIES)
def test_no_secret_is_logged_wherever_it_stands(canary: str) -> None:
    told = flow.masked(
        {"words": f"see {canary} there", "filters": [{"values": [canary]}], "password": "hunter2"}
    )
    secret = canary.removeprefix("Bearer ").removeprefix("postgresql://").partition("@db")[0]
    assert secret not in str(told) and "hunter2" not in str(told)
    assert told["words"].startswith("see ") and told["words"].endswith(" there")


def test_arguments_stay_readable() -> None:
    asked = {"group_by": ["service"], "limit": 5, "tag_key": "Team", "start": "2026-10-01"}
    assert flow.masked(asked) == asked
    assert len(flow.masked("x" * 999)) == flow.TEXT_LENGTH
    assert flow.masked("a\x00b‮") == "a b "


def test_a_call_is_logged_once_under_its_requests_id() -> None:
    def echo(words: str = "") -> ToolResult:
        if not words:
            raise ConfigError("Say something.")
        return ToolResult(result_id="r1", tool="echo", rows=[{"words": words}], row_count=1)

    spec = ToolSpec(echo, "infrastructure", "Echo")
    processors: list[Any] = [structlog.contextvars.merge_contextvars]
    with (
        capture_logs(processors=processors) as lines,
        acting(Scope("a@example.org", frozenset({READ}), "s")),
        flow.request() as number,
    ):
        spec.run({"words": CANARIES[0]})
        with pytest.raises(ConfigError):
            spec.run({})
    done, refused = lines
    assert done["request_id"] == refused["request_id"] == number and flow.request_id() is None
    assert (done["tool"], done["user"], done["rows"]) == ("echo", "a@example.org", 1)
    assert done["arguments"] == {"words": "***"} and done["bytes"] > 10
    assert done["milliseconds"] >= 0 and "Say something" in refused["refused"]


def test_prompts_name_tools_that_are_there_and_days_of_the_month() -> None:
    for server, prompts in offers.WORK.items():
        for each in prompts:
            words = each.of({"month": "2026-02"} if each.by_month else {})
            named = set(re.findall(r"\b[a-z]+_[a-z]+\b", words)) - {"dry_run"}
            assert named and named <= of_server(server).keys(), each.name
            if each.by_month:
                assert "2026-02-01" in words and "2026-03-01" in words
    review = offers.work("infrastructure", "monthly_review")
    assert review is not None and "2025-12-01" in review.of({"month": "2026-01"})
    assert re.search(r"from \d{4}-\d\d-01", review.of({}))
    for wrong in ({"month": "2026-13"}, {"month": "x{first}"}, {"months": "2026-01"}):
        with pytest.raises(ConfigError):
            review.of(wrong)


def test_resources_are_answers_of_tools() -> None:
    for server, readable in offers.READABLE.items():
        for each in readable:
            assert each.tool in TOOLS
            found = offers.found(server, each.uri.replace("{name}", "Some%20name"))
            assert found == (each, {"name": "Some name"} if each.is_template else {})
    for wrong in ("astraeus://catalog/metrics/", "astraeus://catalog", "file:///etc/passwd"):
        assert offers.found("infrastructure", wrong) is None
