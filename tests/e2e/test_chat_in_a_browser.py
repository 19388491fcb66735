"""Chat in a real browser, on a model server of OpenAI's kind.

Steps, table, chart, Stop, reload; what changes anything waits for a person, and happens once.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, LiteralString

import pytest
from playwright.sync_api import Browser, Page

from app.queries.periods import period
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import THROUGH
from tests.app.test_accounts_page import _Dagster
from tests.app.test_pages import total
from tests.e2e.browser import chromium, needs_chromium, serving, violations, window
from tests.fixtures.model_server import model_server

pytestmark = [pytest.mark.e2e, pytest.mark.integration, needs_chromium]
ASKED = "What did each service cost?"
SLOW = "Take your time"
SYNC: Final = "Ingest the last days of acme again"
BUDGET: Final = "Give beta a budget"
DAYS: Final = {"start": str(THROUGH), "end": str(THROUGH + timedelta(days=1))}
CALLS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    SYNC: ("sync_resources", {"account": "acme", "dataset": "costs", **DAYS, "dry_run": False}),
    BUDGET: (
        "create_budget",
        {
            "name": "Beta of the chat",
            "amount": 250,
            "currency": "EUR",
            "filters": [{"dimension": "account", "values": ["beta"]}],
        },
    ),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def month(marts: Database) -> str:
    days = period("Month to date", THROUGH)
    return f"{total(marts, 'USD', days.first, days.last):.2f}"


@pytest.fixture(scope="module")
def dagster() -> Iterator[str]:
    """Stand in for Dagster, which takes every backfill."""
    _Dagster.asked.clear()
    _Dagster.answers[:] = [
        {"launchPartitionBackfill": {"__typename": "LaunchBackfillSuccess", "backfillId": name}}
        for name in ("once", "twice")
    ]
    server = http.server.HTTPServer(("127.0.0.1", 0), _Dagster)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def address(
    marts: Database, month: str, dagster: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    answer = f"You spent {month} USD, not 987654.32 USD. ![x](http://evil.example/a.png)"
    calls = [{"name": "get_costs", "arguments": '{"group_by": ["service"], "currency": "USD"}'}]
    fixtures: list[dict[str, Any]] = [
        {
            "match": {"userMessage": ASKED, "hasToolResult": False},
            "response": {"toolCalls": calls},
        },
        {
            "match": {"userMessage": ASKED},
            "response": {"content": answer},
            "chaos": {"latencyMs": 1500},
        },
        # What the check asks for once more, as a number stands in no result.
        {
            "match": {"userMessage": "A check of your answer"},
            "response": {"content": answer},
        },
        {
            "match": {"userMessage": SLOW},
            "response": {"content": "At last."},
            "chaos": {"latencyMs": 20_000},
        },
    ]
    for question, (name, arguments) in CALLS.items():
        calls = [{"name": name, "arguments": json.dumps(arguments)}]
        fixtures += [
            {
                "match": {"userMessage": question, "hasToolResult": False},
                "response": {"toolCalls": calls},
            },
            {"match": {"userMessage": question}, "response": {"content": "As you decided."}},
        ]
    with model_server(fixtures) as server, pytest.MonkeyPatch.context() as patch:
        for name in ("OPENAI", "ANTHROPIC", "GOOGLE", "GEMINI"):
            patch.delenv(f"{name}_API_KEY", raising=False)
        patch.setenv("ASTRAEUS_LLM_COMPATIBLE_URL", f"{server.url}/v1")
        patch.setenv("ASTRAEUS_DAGSTER_URL", dagster)
        with serving(tmp_path_factory.mktemp("elsewhere")) as base:
            yield base


def test_a_file_is_dropped_and_held_against_the_bill(
    browser: Browser, address: str, month: str
) -> None:
    first = period("Month to date", THROUGH).first
    asked = Decimal(month) + Decimal("0.10")
    table = f"Start,End,Account,Amount (USD)\n{first},{THROUGH},acme,{asked}\n"
    with window(browser, address, "analyst") as opened:
        page = opened.open("/chat")
        page.get_by_test_id("stChatInput").locator("input[type=file]").set_input_files(
            {"name": "acme.csv", "mimeType": "text/csv", "buffer": table.encode()}
        )
        page.get_by_text("acme.csv").wait_for()
        page.get_by_test_id("stChatInputSubmitButton").click()
        page.get_by_text("Billed cost from").wait_for()
        opened.settle()
        page.get_by_role("cell", name="differs").wait_for()
        page.get_by_text("not checked").first.wait_for()
        assert page.get_by_role("cell", name=f"{asked:,.2f}").count() == 2
        assert violations(page) == []
        # What was typed beside a file that cannot be read is kept, to be asked without it.
        page.get_by_test_id("stChatInput").locator("input[type=file]").set_input_files(
            {"name": "torn.xlsx", "mimeType": "application/octet-stream", "buffer": b"torn"}
        )
        page.get_by_text("torn.xlsx").wait_for()
        page.get_by_test_id("stChatInputTextArea").fill(ASKED)
        page.get_by_test_id("stChatInputSubmitButton").click()
        kept = page.get_by_role("button", name=ASKED)
        kept.and_(page.locator(".st-key-unasked button")).wait_for()
        kept.click()
        page.get_by_text("Costs: 11 rows").wait_for()
        opened.settle()
        assert page.locator(".st-key-unasked").count() == 0


def test_a_question_its_steps_its_figures_stop_and_reload(
    browser: Browser, address: str, month: str
) -> None:
    with window(browser, address, "analyst") as opened:
        page = opened.open("/chat")
        page.get_by_role("heading", name="Chat", exact=True).wait_for()
        box = page.get_by_test_id("stChatInputTextArea")
        box.fill(ASKED)
        box.press("Enter")
        # The step is done while the model still writes.
        page.get_by_text("Costs: 11 rows").wait_for()
        assert page.get_by_text("987654.32").count() == 0
        page.get_by_text("1 of 2 numbers (underlined) not found").wait_for()
        opened.settle()
        page.locator("u").first.wait_for()  # tags are drawn by a part that comes later
        assert page.locator("u").all_text_contents() == ["987654.32 USD"]
        assert page.get_by_text(f"You spent {month} USD").count() == 1
        assert (
            page.locator("[data-testid=stChatMessageContent] :is(img, a[href*=evil])").count() == 0
        )
        opened.drawn()
        page.get_by_role("cell", name="Service K").wait_for()
        assert violations(page) == []
        page.get_by_text("How this was calculated").click()
        page.get_by_text("fct_").first.wait_for()
        page.keyboard.press("Escape")
        link = page.get_by_role("link", name="Open in Costs").get_attribute("href")
        assert link is not None and "by=Service" in link and "ccy=USD" in link

        box.fill(SLOW)
        box.press("Enter")
        page.get_by_text("Working").wait_for()
        page.get_by_test_id("stChatInputStopButton").click()
        opened.settle()
        page.reload()
        opened.settle()
        page.get_by_text("Stopped.", exact=True).wait_for()
        assert page.get_by_text(f"You spent {month} USD").count() == 1
        assert page.get_by_text("Questions to begin with").count() == 0


def test_what_changes_anything_waits_for_a_word_and_happens_once(
    browser: Browser, address: str, marts: Database
) -> None:
    with window(browser, address, "admin") as opened:
        page = opened.open("/chat")
        _ask(page, SYNC)
        page.get_by_text("Nothing has been changed yet.").wait_for()
        opened.settle()
        # The card has every argument; nothing has happened.
        for name, value in (("account", "acme"), ("dataset", "costs"), ("dry_run", "no")):
            page.get_by_role("row", name=f"{name} {value}").wait_for()
        assert page.get_by_role("row").count() == len(CALLS[SYNC][1]) + 1
        assert _Dagster.asked == [] and violations(page) == []
        page.reload()
        opened.settle()
        page.get_by_role("button", name="Approve").click()
        page.get_by_text("Dagster was asked to ingest 1 days of costs of acme").wait_for()
        opened.settle()
        assert page.get_by_text("As you decided.").count() == 1
        page.reload()
        opened.settle()
        page.get_by_text("(backfill once)").wait_for()
        assert page.get_by_role("button", name="Approve").count() == 0
        assert len(_Dagster.asked) == 1

        # Refused: nothing is entered. Approved: it is, as the page's own form does.
        for word, budgets in (("Refuse", 0), ("Approve", 1)):
            page.get_by_role("button", name="New thread").click()
            opened.settle()
            _ask(page, BUDGET)
            page.get_by_role("button", name=word).click()
            page.get_by_text("As you decided.").wait_for()
            opened.settle()
            assert page.get_by_text("Added the budget Beta of the chat").count() == budgets
            assert _count(marts, "select count(*) from app.budgets") == budgets
    audited = "select count(*) from app.audit_log where actor = 'admin@example.org' and action = %s"
    expected = {"chat.approved": 2, "chat.rejected": 1, "account.ingest": 1, "budget.add": 1}
    assert {action: _count(marts, audited, action) for action in expected} == expected


def _ask(page: Page, question: str) -> None:
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(question)
    box.press("Enter")


def _count(database: Database, query: LiteralString, *values: str) -> int:
    with database.connect("admin") as conn:
        row = conn.execute(query, values).fetchone()
    return int(row[0]) if row else 0
