"""One page and one question in the chat, followed through log, database and metrics."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import structlog
from structlog.testing import capture_logs

from app import measures
from app.auth.cookies import COOKIE
from app.queries import execute
from app.queries.compiler import Statement
from astraeus_pipeline.warehouse.engine import Database
from tests.app.gated import browser
from tests.app.test_chat_page import call, desk_of, end, person
from tests.app.test_pages import run
from tests.fixtures.scripted_model import says

pytestmark = pytest.mark.integration
MERGED: list[Any] = [structlog.contextvars.merge_contextvars]


def counted(name: str, **labels: str) -> float:
    return measures.REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_question_is_followed_from_its_words_to_the_query_and_the_price(
    marts: Database,
) -> None:
    before = counted("astraeus_query_seconds_count", kind="marts", outcome="answered")
    desk, thread = desk_of(says("", call("get_costs", currency="USD")), says("See it.")), uuid4()
    with capture_logs(processors=MERGED) as lines:
        running = desk.ask(person("analyst"), thread, "What did we spend?")
        assert end(running).status == "complete"
    [asked] = [line for line in lines if line["event"] == "a question was asked"]
    mine = [line for line in lines if line.get("request_id") == asked["request_id"]]
    events = [line["event"] for line in mine]
    assert events[0] == "a question was asked" and events[-1] == "an answer ended"
    assert [line["tool"] for line in mine if line.get("tool")] == ["get_costs"]
    queries = [line for line in mine if line["event"] == "a query ended"]
    assert queries and all(line["milliseconds"] >= 0 for line in queries)
    assert mine[-1]["attempts"] == 2 and "cost_usd" in mine[-1]
    after = counted("astraeus_query_seconds_count", kind="marts", outcome="answered")
    assert after - before >= len(queries)
    # The same calls are what the monitor tells of today, and what the ledger of answers holds.
    with marts.connect("app") as conn:
        row = conn.execute(
            "select count(*) from app.chat_attempts where session_id = %s", [thread]
        ).fetchone()
    assert row == (2,)


def test_a_page_is_followed_to_its_queries(marts: Database) -> None:
    before = counted("astraeus_page_seconds_count", page="costs", outcome="answered")
    with capture_logs(processors=MERGED) as lines:
        assert not run("costs").exception
    drawn = [line for line in lines if line["event"] == "a page was drawn"]
    costs = next(line for line in drawn if line["page"] == "costs")
    assert costs["user"] == "admin@example.org" and len({e["request_id"] for e in drawn}) > 1
    mine = [line for line in lines if line.get("request_id") == costs["request_id"]]
    assert [line["event"] for line in mine][-1] == "a page was drawn"
    assert {"a query ended"} <= {line["event"] for line in mine}
    assert counted("astraeus_page_seconds_count", page="costs", outcome="answered") > before


def test_the_server_knows_the_id_of_what_asks(marts: Database) -> None:
    named = Statement("select current_setting('application_name') as name", {})
    assert execute.run(named) == [{"name": "astraeus reader"}]
    with capture_logs(processors=MERGED) as lines, measures.page("costs", "a@example.org"):
        told = execute.run(named)
    assert told == [{"name": f"astraeus reader {lines[0]['request_id']}"}]


def test_health_is_open_and_metrics_are_not(
    marts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = browser()
    assert client.get("/health/live").json() == {"state": "live"}
    assert client.get("/health/ready").json() == {"state": "ready"}
    assert client.get("/metrics").status_code == 404
    monkeypatch.setenv("ASTRAEUS_METRICS_TOKEN", "canary")
    assert client.get("/metrics").status_code == 404
    assert browser(**{COOKIE: "stolen"}).get("/metrics").status_code == 404
    answer = client.get("/metrics", headers={"authorization": "Bearer canary"})
    assert answer.status_code == 200 and "astraeus_query_seconds_bucket" in answer.text
    assert client.get("/metricsx", headers={"accept": "text/html"}).status_code == 303
    assert client.get("/healthy").status_code == 401
