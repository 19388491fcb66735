"""Chat: by form without a key; with one, who may ask, what happens, and what is kept of it."""

from __future__ import annotations

import csv
import io
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import pytest
from langchain_core.messages import ToolCall
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from app.assistant import exported, turn
from app.assistant.models import Candidate, Models
from app.assistant.policy import read_policy
from app.assistant.settings import AssistantSettings
from app.assistant.tools.asking import Asking
from app.assistant.tools.contract import Scope, ToolResult, ToolSpec, acting
from app.assistant.tools.registry import TOOLS
from app.assistant.turn import Closed, Desk, Running, Step, Words
from app.auth import store
from app.auth.principal import Principal
from app.components import formats, tool_result
from app.queries.catalog import METRICS
from app.queries.compiler import Statement
from app.queries.periods import period, spell
from app.records import chat
from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError, ForbiddenError
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import THROUGH, user_of
from tests.app.test_pages import metric, run, total
from tests.fixtures.scripted_model import ScriptedModel, says

pytestmark = pytest.mark.integration
KEYS = AssistantSettings(openai_api_key=SecretStr("a"))


class Scripted(Models):
    """Whichever model is asked, this one answers."""

    def __init__(self, model: ScriptedModel) -> None:
        super().__init__(KEYS, read_policy())
        self._model = model

    def get(self, candidate: Candidate) -> Any:
        return self._model


def desk_of(*script: Any) -> Desk:
    models = Scripted(ScriptedModel(script=list(script)))
    return Desk(KEYS.model_copy(update={"pause_seconds": 0}), read_policy(), models=models)


def person(name: str) -> Principal:
    found = store.live(user_of(name)["session"])
    assert found is not None
    return found


def call(name: str, **arguments: Any) -> ToolCall:
    return {"name": name, "args": arguments, "id": f"c{uuid4().hex[:6]}", "type": "tool_call"}


def end(running: Running) -> Closed:
    *_, last = [each for each in running if each is not None]
    assert isinstance(last, Closed)
    return last


def words(at: AppTest) -> str:
    return "\n".join(
        str(each.value)
        for kind in (at.markdown, at.caption, at.warning, at.error, at.info)
        for each in kind
    )


def send(at: AppTest) -> None:
    next(each for each in at.button if each.label == "Ask").click().run()


@pytest.fixture
def month(marts: Database) -> Decimal:
    days = period("Month to date", THROUGH)
    return total(marts, "USD", days.first, days.last)


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI", "ANTHROPIC", "GOOGLE", "GEMINI"):
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)
    monkeypatch.delenv("ASTRAEUS_LLM_COMPATIBLE_URL", raising=False)


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Let the page's desk say what a test puts into this script."""
    script: list[Any] = []
    made = Scripted(ScriptedModel(script=script))
    made._model.script = script  # the model copies what it is made of
    monkeypatch.setattr(turn, "desk", lambda: Desk(KEYS, read_policy(), models=made))
    yield script


def test_without_a_key_the_page_says_so_and_forms_answer_to_the_cent(
    marts: Database, month: Decimal
) -> None:
    at = run("chat", who="viewer", tool="Costs")
    assert not at.exception
    assert "No model provider has a key" in words(at)
    at.selectbox(key="get_costs_currency").set_value("USD")
    send(at)
    assert not at.exception
    assert formats.escaped(f"{month:,.2f} USD") in words(at)
    # The SQL is there, with what is Costs' own way to the same figure.
    assert any("select" in each.value for each in at.code)
    assert any("costs?" in each.proto.body for each in at.get("html"))


def test_a_form_says_what_a_tool_refuses_and_offers_only_what_a_role_may(marts: Database) -> None:
    at = run("chat", who="analyst")
    assert set(at.selectbox(key="tool").options) == {
        each.title
        for each in TOOLS.values()
        if each.scope == "finops:read" and each.is_on() and not each.ends_turn
    }
    at = run("chat", who="admin", tool="Ingest again")
    # What is off by default is offered to nobody; what asks people back is no form.
    offered = set(at.selectbox(key="tool").options)
    assert offered == {each.title for each in TOOLS.values() if each.is_on() and not each.ends_turn}
    at = run("chat", who="admin", tool="Costs")
    at.date_input(key="get_costs_start").set_value(THROUGH)
    send(at)
    assert "start and end belong together" in words(at)


def test_every_tool_has_a_form_that_can_be_drawn(
    marts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAEUS_LLM_ADHOC_SQL", "true")
    at = run("chat", who="admin")
    for spec in TOOLS.values():
        if spec.is_outgoing or spec.ends_turn:
            continue  # in chat alone
        at.selectbox(key="tool").set_value(spec.title).run()
        assert not at.exception and not at.error, (spec.name, words(at))
        assert any(each.label in ("Ask", "Do this") for each in at.button)


def test_a_question_is_answered_checked_kept_and_shown_again(
    marts: Database, month: Decimal, answering: list[Any]
) -> None:
    answering += [
        says("", call("get_costs", group_by=["service"], currency="USD")),
        says("You spent 987654.32 USD."),  # asked for once more
        says(f"You spent {month:.2f} USD, and 987654.32 USD more ![x](http://evil.example/a.png)."),
    ]
    at = run("chat", who="analyst")
    assert not at.exception
    starter = at.button(key="starter_0")
    assert "USD" in starter.label
    starter.click().run()
    assert not at.exception, at.exception
    told = words(at)
    assert "1 of 2 numbers" in told
    assert '<u title="not found in the data">987654.32 USD</u>' in told
    assert "\\[x\\](http:&#8203;/&#8203;/&#8203;evil" in told
    [listed] = [
        each for each in chat.threads("analyst@example.org") if each.title.startswith("What did we")
    ]
    _, answer = chat.thread("analyst@example.org", listed.session_id)
    assert (answer.status, answer.usage["unverified"]) == ("complete", 1)
    assert answer.usage["first_unverified"] == 1
    assert [each["tier"] for each in answer.usage["attempts"]] == ["fast", "fast", "standard"]
    _rate_and_take(listed.session_id, answer.id, month)
    again = run("chat", who="analyst", thread=str(listed.session_id))
    assert "1 of 2 numbers" in words(again) and not again.exception
    with pytest.raises(ForbiddenError):
        chat.thread("admin@example.org", listed.session_id)
    theirs = run("chat", who="admin", thread=str(listed.session_id))
    assert "somebody else's" in words(theirs) and "987654" not in words(theirs)


def _rate_and_take(thread: UUID, answer: UUID, month: Decimal) -> None:
    """Say that the answer was bad, and take the thread as files."""
    with pytest.raises(ConfigError, match="no such answer"):
        chat.say("admin@example.org", answer, "down")
    chat.say("analyst@example.org", answer, "down", "Too much")
    kept = chat.thread("analyst@example.org", thread)
    assert (kept[1].feedback, kept[1].feedback_note) == ("down", "Too much")
    again = run("chat", who="analyst", thread=str(thread))
    assert again.text_input(key=f"why_{answer}").value == "Too much"
    again.text_input(key=f"why_{answer}").set_value("One figure is not ours").run()
    assert chat.thread("analyst@example.org", thread)[1].feedback_note == "One figure is not ours"
    text = exported.as_markdown(kept, "analyst@example.org", datetime.now(UTC))
    assert "![x]" not in text and "://evil" not in text and "<u " in text
    assert f"total billed_cost USD: {money.plain(month)} USD" in text and "```sql" in text
    with zipfile.ZipFile(io.BytesIO(exported.as_zip(kept, "a@b.c", datetime.now(UTC)))) as file:
        [name] = [each for each in file.namelist() if each.endswith(".csv")]
        rows = list(csv.DictReader(io.StringIO(file.read(name).decode())))
    assert len(rows) == 11
    assert sum(Decimal(row["billed_cost (USD)"]) for row in rows) == month


def test_a_viewer_asks_by_form_alone(marts: Database, answering: list[Any]) -> None:
    at = run("chat", who="viewer")
    assert "not in words" in words(at)
    assert len(at.chat_input) == 0 and at.selectbox(key="tool") is not None


def test_events_come_in_their_order_with_results(marts: Database, month: Decimal) -> None:
    desk = desk_of(says("", call("get_costs", currency="USD")), says(f"{month:.2f} USD."))
    running = desk.ask(person("analyst"), uuid4(), "What did we spend?")
    events = [each for each in running if each is not None]
    steps = [each.state for each in events if isinstance(each, Step)]
    assert steps == ["running", "done"]
    assert events[-1] == Closed("complete")
    assert [each.text for each in events if isinstance(each, Words) and each.text][-1] == (
        f"{month:.2f} USD."
    )
    [result] = running.results
    assert month in result.totals.values()


def test_a_refused_call_is_a_failed_step_and_a_failure_is_told(marts: Database) -> None:
    desk = desk_of(says("", call("get_costs", currency="XXX")), RuntimeError("canary"))
    running = desk.ask(person("analyst"), uuid4(), "?")
    last = end(running)
    assert [each.state for each in running.steps.values()] == ["failed"]
    assert last.status == "failed" and last.error and "canary" not in last.error


def test_stop_ends_the_turn_and_the_next_question_is_taken(
    marts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    class Endless(ScriptedModel):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            await asyncio.Event().wait()

    models = Scripted(Endless(script=[]))
    who, thread = person("analyst"), uuid4()
    running = Desk(KEYS, read_policy(), models=models).ask(who, thread, "For ever?")
    with pytest.raises(ConfigError, match="still being answered"):
        desk_of().ask(who, uuid4(), "And?")
    running.stop()
    assert end(running).status == "stopped"
    # Stopped before its first step: it is written down all the same.
    at_once = desk_of(says("No.")).ask(who, thread, "At once?")
    at_once.stop()
    assert end(at_once).status in ("stopped", "complete")
    assert end(desk_of(says("Yes.")).ask(who, thread, "Now?")).status == "complete"
    states = [each.status for each in chat.thread(who.email, thread) if each.role == "assistant"]
    assert states[0] == "stopped" and states[-1] == "complete"


def test_stop_ends_the_query_in_the_database(
    marts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep() -> ToolResult:
        """Sleep."""
        asking = Asking()
        asking.ask(Statement("select pg_sleep(60) as canary", ()))
        return asking.result("sleep", [], {})

    def asleep() -> int:
        with marts.connect("admin") as conn:
            row = conn.execute(
                "select count(*) from pg_stat_activity where state = 'active'"
                " and query like '%%as canary%%' and pid <> pg_backend_pid()"
            ).fetchone()
        return int(row[0]) if row else 0

    def within(seconds: float, wanted: int) -> bool:
        until = monotonic() + seconds
        while asleep() != wanted and monotonic() < until:
            time.sleep(0.02)
        return asleep() == wanted

    monkeypatch.setattr(turn, "TOOLS", {"sleep": ToolSpec(sleep, "chat", "Sleep")})
    running = desk_of(says("", call("sleep"))).ask(person("analyst"), uuid4(), "Sleep")
    assert within(30, 1)
    running.stop()
    assert within(1, 0)
    assert end(running).status == "stopped"
    # Its connection is not lent to the next question.
    monkeypatch.undo()
    running = desk_of(says("", call("get_stats")), says("Fresh.")).ask(
        person("analyst"), uuid4(), "And now?"
    )
    assert end(running).status == "complete" and len(running.results) == 1


def test_where_no_model_answers_the_page_says_why_and_offers_the_forms(
    marts: Database, month: Decimal, answering: list[Any]
) -> None:
    answering += [ConnectionResetError() for _ in range(8)]
    at = run("chat", who="analyst")
    at.button(key="starter_0").click().run()
    assert not at.exception
    assert "No model answered" in words(at) and "OpenAI" in words(at)
    at.selectbox(key="tool").set_value("Costs").run()
    at.selectbox(key="get_costs_currency").set_value("USD")
    send(at)
    assert formats.escaped(f"{month:,.2f} USD") in words(at)


def test_a_question_back_is_answered_by_a_click(marts: Database, answering: list[Any]) -> None:
    choices = ["Billed cost of <b>", "Effective cost of October"]
    answering += [
        says("", call("ask_which", question="Which cost is meant?", choices=choices)),
        says("As you say."),
    ]
    at = run("chat", who="analyst")
    at.button(key="starter_0").click().run()
    assert not at.exception and "Which cost is meant?" in words(at)
    [first, second] = [each for each in at.button if str(each.key).startswith("choice_")]
    assert first.label == formats.escaped(choices[0])
    second.click().run()
    assert not at.exception and "As you say." in words(at)
    assert choices[1] in words(at)
    assert all(each.disabled for each in at.button if str(each.key).startswith("choice_"))


def test_the_figure_of_an_answer_is_that_of_costs(marts: Database) -> None:
    days = DayRange(THROUGH - timedelta(days=9), THROUGH - timedelta(days=3))
    for metric_name, filters in (
        ("billed", []),
        ("effective", [{"dimension": "service", "values": ["Service B", "Service C"]}]),
        ("billed", [{"dimension": "service", "operator": "not_in", "values": ["Service D"]}]),
    ):
        with acting(Scope.of(person("analyst"))):
            result = TOOLS["get_costs"].run(
                {
                    "metrics": [metric_name],
                    "start": str(days.first),
                    "end": str(days.end),
                    "group_by": ["region"],
                    "currency": "USD",
                    "filters": filters,
                }
            )
        wanted = tool_result.in_costs(result)
        assert wanted is not None
        at = run("costs", who="analyst", **wanted)
        assert not at.exception and not at.warning, words(at)
        whole = result.totals[f"{METRICS[metric_name].column} USD"]
        assert metric(at, spell(days)) == formats.exact(whole, "USD")
        assert formats.money(whole, "USD") in words(at)


def test_what_changes_anything_waits_for_a_person(marts: Database) -> None:
    who, thread = person("admin"), uuid4()
    arguments = {"account": "acme", "start": str(THROUGH), "end": str(THROUGH), "dry_run": True}
    asked = call("sync_resources", **arguments)
    running = desk_of(says("", asked)).ask(who, thread, "Sync acme")
    assert end(running).status == "awaiting_approval"
    waiting = chat.thread(who.email, thread)[-1]
    assert waiting.usage["pending"] == [{"name": "sync_resources", "arguments": arguments}]
    with pytest.raises(ConfigError, match="waits"):
        desk_of().decide(person("analyst"), waiting, is_approved=True)
    running = desk_of(says("It was rejected.")).decide(who, waiting, is_approved=False)
    assert end(running).status == "complete"
    assert [each.state for each in running.steps.values()] == ["failed"]
    with pytest.raises(ConfigError, match="waits"):
        desk_of().decide(who, waiting, is_approved=True)
    # A role without the scope is not offered the tool.
    running = desk_of(says("", asked), says("No.")).ask(person("analyst"), uuid4(), "Sync acme")
    assert end(running).status in ("complete", "failed") and running.pending == []
