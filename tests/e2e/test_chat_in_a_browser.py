"""Chat in a real browser, on a model server of OpenAI's kind: steps, table, chart, Stop, reload."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from app.queries.periods import period
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import THROUGH
from tests.app.test_pages import total
from tests.e2e.browser import chromium, needs_chromium, serving, violations, window
from tests.fixtures.model_server import model_server

pytestmark = [pytest.mark.e2e, pytest.mark.integration, needs_chromium]
ASKED = "What did each service cost?"
SLOW = "Take your time"


@pytest.fixture(scope="module")
def month(marts: Database) -> str:
    days = period("Month to date", THROUGH)
    return f"{total(marts, 'USD', days.first, days.last):.2f}"


@pytest.fixture(scope="module")
def address(marts: Database, month: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
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
        {
            "match": {"userMessage": SLOW},
            "response": {"content": "At last."},
            "chaos": {"latencyMs": 20_000},
        },
    ]
    with model_server(fixtures) as server, pytest.MonkeyPatch.context() as patch:
        for name in ("OPENAI", "ANTHROPIC", "GOOGLE", "GEMINI"):
            patch.delenv(f"{name}_API_KEY", raising=False)
        patch.setenv("ASTRAEUS_LLM_COMPATIBLE_URL", f"{server.url}/v1")
        with serving(tmp_path_factory.mktemp("elsewhere")) as base:
            yield base


def test_a_file_is_dropped_and_held_against_the_bill(address: str, month: str) -> None:
    first = period("Month to date", THROUGH).first
    asked = Decimal(month) + Decimal("0.10")
    table = f"Start,End,Account,Amount (USD)\n{first},{THROUGH},acme,{asked}\n"
    with chromium() as browser, window(browser, address, "analyst") as opened:
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


def test_a_question_its_steps_its_figures_stop_and_reload(address: str, month: str) -> None:
    with chromium() as browser, window(browser, address, "analyst") as opened:
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
