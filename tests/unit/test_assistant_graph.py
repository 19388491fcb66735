"""The agent on a scripted model: transcripts, repairs, limits, approvals, whom tools act for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import langsmith
import langsmith.utils
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
)
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import SecretStr

from app.assistant.bound import bound
from app.assistant.graph import Agent, Asking, build_agent
from app.assistant.ledger import Attempt, Turn
from app.assistant.models import Candidate, Models
from app.assistant.policy import Policy, read_policy
from app.assistant.router import Router
from app.assistant.settings import AssistantSettings
from app.assistant.tools.contract import Scope as CallerScope
from app.assistant.tools.contract import ToolResult, ToolSpec, caller
from app.assistant.tools.registry import TOOLS
from app.assistant.transcripts import answered
from astraeus_pipeline.errors import ConfigError, LimitError, PayloadError
from tests.fixtures.scripted_model import ScriptedModel, check_transcript, says

KEYS = AssistantSettings(openai_api_key=SecretStr("a"), anthropic_api_key=SecretStr("b"))
ANN = CallerScope("ann@example.org", frozenset({"finops:read"}), "key of ann")


class Scripted(Models):
    model: ScriptedModel
    asked: list[str]

    def get(self, candidate: Candidate) -> Any:
        self.asked.append(candidate.model)
        return self.model


class InMemory:
    def record(self, turn: Turn, attempt: Attempt) -> None:
        turn.attempts.append(attempt)

    def spent_today(self, turn: Turn) -> Decimal:
        return Decimal(0)


def call(name: str, call_id: str, **args: Any) -> ToolCall:
    return {"name": name, "args": args, "id": call_id, "type": "tool_call"}


def add(a: int, b: int) -> str:
    """Add two numbers."""
    if a < 0:
        raise ConfigError("a is below zero.", hint="Try 0.")
    if b < 0:
        raise RuntimeError("canary")
    return f"{a + b} for {caller().user_id}"


async def wait() -> str:
    """Wait for ever."""
    await asyncio.Event().wait()
    return ""


WRITTEN: list[str] = []
LOOKED: list[str] = []


def sync(account: str) -> str:
    """Ingest an account again."""
    WRITTEN.append(account)
    return f"queued for {caller().user_id}"


def plain_tools() -> list[BaseTool]:
    def look(query: str) -> str:
        LOOKED.append(query)
        return "It is sunny."

    async def adding(a: int, b: int) -> str:
        return await asyncio.to_thread(add, a, b)

    return [
        StructuredTool.from_function(coroutine=adding, name="add", description="Add"),
        StructuredTool.from_function(coroutine=wait, name="wait", description="Wait"),
        StructuredTool.from_function(sync, name="sync", description="Sync"),
        StructuredTool.from_function(look, name="look", description="Look"),
    ]


class Desk:
    """An agent with its script, and threads."""

    def __init__(
        self,
        *script: Any,
        tools: Sequence[BaseTool] | None = None,
        ending: Sequence[str] = (),
        is_checked: bool = False,
        **changes: Any,
    ) -> None:
        policy: Policy = read_policy()
        caps = policy.caps.model_copy(update=changes)
        policy = policy.model_copy(update={"caps": caps, "chain": ("openai", "anthropic")})
        self.model = ScriptedModel(script=list(script))
        models = Scripted(KEYS, policy)
        models.model, models.asked = self.model, []
        self.asked = models.asked
        settings = KEYS.model_copy(update={"pause_seconds": 0})
        self.agent: Agent = build_agent(
            Router(models, policy, settings, InMemory()),
            policy,
            plain_tools() if tools is None else tools,
            approved=["sync"],
            outgoing=["look"],
            ending=ending,
            is_checked=is_checked,
            checkpointer=InMemorySaver(),
        )
        self.turn = self.new_turn()
        self.config: Any = {"configurable": {"thread_id": "t"}}

    def new_turn(self) -> Turn:
        return Turn(uuid4(), uuid4(), uuid4())

    def run(self, given: Any, **more: Any) -> Awaitable[dict[str, Any]]:
        asking = Asking(self.turn, ANN, date(2026, 11, 29))
        if isinstance(given, str):
            given = {"messages": [HumanMessage(given)]}
        return self.agent.ainvoke(given, self.config, context=asking, **more)

    def ask(self, given: Any) -> dict[str, Any]:
        return asyncio.run(self.run(given))  # type: ignore[arg-type] # a coroutine

    def check(self) -> None:
        for sent in self.model.sent:
            check_transcript(sent)


def texts(messages: Sequence[Any]) -> list[str]:
    return [each.text for each in messages if isinstance(each, ToolMessage)]


def test_tools_run_side_by_side_for_the_person_who_asks() -> None:
    desk = Desk(says("", call("add", "1", a=1, b=2), call("add", "2", a=3, b=4)), says("3 and 7"))
    state = desk.ask("What is it?")
    assert state["messages"][-1].text == "3 and 7"
    assert texts(desk.model.sent[1]) == ["3 for ann@example.org", "7 for ann@example.org"]
    assert [each.outcome for each in desk.turn.attempts] == ["answered", "answered"]
    desk.check()
    system = desk.model.sent[0][0]
    assert "Today is 2026-11-29" in system.text and "$" not in system.text


def test_a_malformed_call_is_asked_for_again_by_a_better_model() -> None:
    desk = Desk(says("", malformed=["1"]), says("", call("add", "2", a=1, b=2)), says("3"))
    state = desk.ask("What is it?")
    assert state["messages"][-1].text == "3" and desk.turn.signals["repairs"] == 1
    assert "could not be read" in texts(desk.model.sent[1])[0]
    assert desk.asked == ["gpt-5-mini", "gpt-5", "gpt-5"]
    # what could not be read is not kept in the thread
    assert [each.type for each in state["messages"]] == ["human", "ai", "tool", "ai"]
    desk.check()


def test_calls_that_stay_malformed_are_an_error_and_no_empty_answer() -> None:
    desk = Desk(*(says("", malformed=[str(each)]) for each in range(3)))
    with pytest.raises(PayloadError, match="three times"):
        desk.ask("What is it?")
    assert len(desk.turn.attempts) == 3
    desk.check()


def test_what_can_be_read_beside_what_cannot_is_done() -> None:
    desk = Desk(says("", call("add", "1", a=1, b=2), malformed=["2"]), says("3"))
    assert desk.ask("What is it?")["messages"][-1].text == "3"
    first, second = texts(desk.model.sent[1])
    assert first == "3 for ann@example.org" and "could not be" in second
    desk.check()


def test_a_thread_that_was_stopped_goes_on() -> None:
    desk = Desk(says("", call("add", "1", a=1, b=2), call("wait", "2")), says("Yes"))

    async def stopped_and_asked_again() -> dict[str, Any]:
        task = asyncio.ensure_future(desk.run("Will it end?"))
        while not desk.turn.attempts:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        desk.turn = desk.new_turn()
        return await desk.run("Are you there?")

    assert asyncio.run(stopped_and_asked_again())["messages"][-1].text == "Yes"
    assert len(desk.model.sent) == 2
    assert "was stopped" in texts(desk.model.sent[1])[-1]
    desk.check()


def test_a_tool_that_refuses_is_heard_and_one_that_fails_tells_nothing() -> None:
    desk = Desk(
        says("", call("add", "1", a=-1, b=0), call("add", "2", a=0, b=-1)),
        says("", call("nothing", "3"), call("add", "4", a="x", b=1)),
        says("I cannot tell."),
    )
    assert desk.ask("What is it?")["messages"][-1].text == "I cannot tell."
    refused, failed, unknown, mistyped = texts(desk.model.sent[2])
    assert refused == "a is below zero. Try 0."
    assert "failed" in failed and "canary" not in failed
    assert "not a valid tool" in unknown and "a" in mistyped
    assert desk.turn.signals["invalid_arguments"] == 4
    assert desk.asked == ["gpt-5-mini", "gpt-5", "gpt-5"]
    desk.check()


def test_models_and_tools_are_called_so_often_and_no_more() -> None:
    desk = Desk(
        *(says("", call("add", str(each), a=each, b=1)) for each in range(9)), model_calls=3
    )
    with pytest.raises(LimitError, match="more than 3 calls"):
        desk.ask("What is it?")
    assert len(desk.turn.attempts) == 3
    calls = [call("add", str(each), a=each, b=1) for each in range(4)]
    desk = Desk(says("", *calls), says("1, 2"), tool_calls=2)
    assert desk.ask("What is it?")["messages"][-1].text == "1, 2"
    results = texts(desk.model.sent[1])
    assert [each for each in results if "for ann" in each] == [
        *("1 for ann@example.org", "2 for ann@example.org")
    ]
    assert len(results) == 4
    desk.check()


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_what_changes_something_waits_for_a_person(decision: str) -> None:
    WRITTEN.clear()
    desk = Desk(says("", call("sync", "1", account="acme")), says("As you say."))
    state = desk.ask("Sync acme")
    (asked,) = state["__interrupt__"]
    assert asked.value["action_requests"][0]["args"] == {"account": "acme"}
    assert WRITTEN == []
    state = desk.ask(Command(resume={"decisions": [{"type": decision}]}))
    assert (["acme"] if decision == "approve" else []) == WRITTEN
    assert state["messages"][-1].text == "As you say."
    desk.check()


def test_what_leaves_the_house_waits_once_anything_was_read() -> None:
    LOOKED.clear()
    desk = Desk(
        says("", call("look", "1", query="weather")),
        says("", call("look", "2", query="again")),
        says("", call("add", "3", a=1, b=2)),
        says("", call("look", "4", query="acme spent 3")),
        says("As you say."),
    )
    state = desk.ask("What is it?")
    # Its own answers are of the web; what another tool has told would go out.
    assert LOOKED == ["weather", "again"]
    (asked,) = state["__interrupt__"]
    assert asked.value["action_requests"][0]["args"] == {"query": "acme spent 3"}
    state = desk.ask(Command(resume={"decisions": [{"type": "reject"}]}))
    assert LOOKED == ["weather", "again"] and state["messages"][-1].text == "As you say."
    desk.check()


def test_a_turn_ends_with_a_tool_that_asks_back_unless_that_was_refused() -> None:
    refused, taken = call("add", "1", a=-1, b=1), call("add", "2", a=1, b=1)
    desk = Desk(says("", refused), says("", taken), says("Which one, once more?"), ending=["add"])
    state = desk.ask("Which is it?")
    assert state["messages"][-1].text == "2 for ann@example.org" and len(desk.model.sent) == 2
    # The thread goes on with what is said next.
    assert desk.ask("That one")["messages"][-1].text == "Which one, once more?"
    desk.check()


def test_half_an_answer_is_void_when_another_model_begins() -> None:
    desk = Desk(ConnectionResetError(), says("12.50 USD"))

    async def streamed() -> list[Any]:
        asking = Asking(desk.turn, ANN, date(2026, 11, 29))
        given: Any = {"messages": [HumanMessage("?")]}
        stream = desk.agent.astream(given, desk.config, context=asking, stream_mode="custom")
        return [each async for each in stream]

    assert asyncio.run(streamed()) == [{"attempt": 1}, {"attempt": 2}]


def tell(days: int = 1) -> ToolResult:
    """Tell a cost."""
    return ToolResult(
        result_id="r0123456789",
        tool="tell",
        rows=[{"cost": Decimal("1.10"), "days": days}],
        row_count=1,
        unit={"cost": "USD", "days": "days"},
        sql="select 1",
    )


def telling(*script: Any) -> Desk:
    tools = bound([ToolSpec(tell, "infrastructure", "Tell")])
    return Desk(says("", call("tell", "1")), *script, tools=tools, is_checked=True)


def test_numbers_of_no_result_are_asked_for_once_more_of_a_better_model() -> None:
    desk = telling(says("It cost 9.99 USD."), says("It cost 1.10 USD."))
    state = desk.ask("What is it?")
    assert state["messages"][-1].text == "It cost 1.10 USD."
    assert desk.asked == ["gpt-5-mini", "gpt-5-mini", "gpt-5"]
    assert "9.99 USD" in desk.model.sent[2][-1].text
    # neither the false answer nor the check of it is kept in the thread
    assert [each.type for each in state["messages"]] == ["human", "ai", "tool", "ai"]
    assert desk.turn.usage()["first_unverified"] == 1
    desk.check()
    # Once: what is still not found is flagged where it is shown.
    desk = telling(says("It cost 9.99 USD."), says("It cost 8.88 USD."))
    assert desk.ask("What is it?")["messages"][-1].text == "It cost 8.88 USD."
    # The second may call a tool first; a number of the question claims nothing.
    desk = telling(says("9.99 USD"), says("", call("tell", "2", days=2)), says("1.10 USD, 2 days"))
    assert desk.ask("Is it 2 days?")["messages"][-1].text == "1.10 USD, 2 days"
    desk.check()
    # Where no second answer can be had, the first stands; right ones are asked for once.
    desk = telling(says("9.99 USD"), *(ConnectionResetError() for _ in range(4)))
    assert desk.ask("What is it?")["messages"][-1].text == "9.99 USD"
    desk = telling(says("It cost 1.1 USD in 2026."))
    assert desk.ask("What is it?")["messages"][-1].text == "It cost 1.1 USD in 2026."


def test_a_tool_of_the_registry_answers_with_text_and_artifact() -> None:
    tools = bound([ToolSpec(tell, "infrastructure", "Tell")])
    desk = Desk(
        says("", call("tell", "1", days=2), call("tell", "2", day=2)), says("1.10"), tools=tools
    )
    state = desk.ask("What is it?")
    result, refused = (each for each in state["messages"] if isinstance(each, ToolMessage))
    assert '"cost":"1.1"' in result.text and "select" not in result.text
    assert result.artifact["sql"] == "select 1" and result.artifact["rows"][0]["days"] == 2
    assert refused.status == "error" and "day" in refused.text
    assert len(bound(TOOLS.values())) == len(TOOLS)


def test_of_two_answers_to_a_call_the_first_counts() -> None:
    asked = AIMessage("", tool_calls=[call("add", "1", a=1, b=2)])
    first, second = (ToolMessage(each, tool_call_id="1") for each in ("3", "4"))
    assert texts(answered([HumanMessage("?"), asked, first, second])) == ["3"]


def test_nothing_is_traced_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    langsmith.utils.get_env_var.cache_clear()
    langsmith.configure(enabled=None)
    assert langsmith.utils.tracing_is_enabled()
    Desk()
    assert not langsmith.utils.tracing_is_enabled()
    langsmith.utils.get_env_var.cache_clear()


IDS = st.sampled_from(["1", "2", "3", "4", None])
ANY_MESSAGE: st.SearchStrategy[AnyMessage] = st.one_of(
    st.builds(lambda text: HumanMessage(text), st.sampled_from(["a", "b"])),
    st.builds(
        lambda text, ids, broken: AIMessage(
            text,
            tool_calls=[{"name": "add", "args": {}, "id": each} for each in ids],
            invalid_tool_calls=says("", malformed=broken).invalid_tool_calls,
        ),
        st.sampled_from(["", "c"]),
        st.lists(IDS, max_size=3),
        st.lists(IDS, max_size=2),
    ),
    st.builds(lambda of: ToolMessage("result", tool_call_id=of), st.sampled_from(["1", "2", "5"])),
)


@given(st.lists(ANY_MESSAGE, max_size=8))
@profile(max_examples=200, deadline=None)
def test_whatever_a_thread_has_become_providers_take_it(messages: list[AnyMessage]) -> None:
    sent = answered(messages)
    check_transcript([SystemMessage("rules"), *sent])
    assert answered(sent) == sent
    said = [each.text for each in messages if not isinstance(each, ToolMessage) and each.text]
    assert [each.text for each in sent if not isinstance(each, ToolMessage) and each.text] == said
    asked = {each["id"] for one in sent if isinstance(one, AIMessage) for each in one.tool_calls}
    given_ids = {each.tool_call_id for each in messages if isinstance(each, ToolMessage)}
    kept = {each.tool_call_id for each in sent if getattr(each, "content", "") == "result"}
    assert kept == asked & given_ids
