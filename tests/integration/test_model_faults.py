"""The providers' own SDKs over HTTP against a server that misbehaves: an answer or a clean error.

Each fault by each provider, whole and streamed: alone, and with another provider behind it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from pydantic import SecretStr

from app.assistant.bound import bound
from app.assistant.graph import Asking, build_agent
from app.assistant.ledger import Ledger, Turn
from app.assistant.models import Models
from app.assistant.policy import PROVIDERS, Policy, Provider, read_policy
from app.assistant.router import Call, Router
from app.assistant.settings import AssistantSettings
from app.assistant.tools.contract import Scope, ToolResult, ToolSpec, caller
from app.assistant.tools.registry import TOOLS
from astraeus_pipeline.errors import AstraeusError, AuthError, ConfigError, TransientError
from astraeus_pipeline.warehouse import users
from astraeus_pipeline.warehouse.engine import Database
from tests.fixtures.model_server import ModelServer, model_server

pytestmark = pytest.mark.integration

PERSON = "ann@example.org"
MODELS = read_policy().tiers["fast"]
TEXT = "We spent 12.50 USD in October, and as much in September."
COUNTED = {
    **{"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500},
    **{"input_tokens": 1000, "output_tokens": 500},
    **{"promptTokenCount": 1000, "candidatesTokenCount": 500, "totalTokenCount": 1500},
}
OK: dict[str, Any] = {"response": {"content": TEXT, "usage": COUNTED}}


def refusal(status: int, **more: Any) -> dict[str, Any]:
    error = {"message": "sk-canary is not welcome", "type": "some_error"}
    return {"response": {"error": error, "status": status, **more}}


# By fault: what the server does, whole and streamed, then what is kept of each attempt, the error
# where nobody else is asked, and its words.
FAULTS: dict[str, tuple[dict[str, Any], dict[str, Any], list[Any], type[AstraeusError], str]] = {
    "401": (refusal(401), refusal(401), [401], AuthError, "does not take our key"),
    "404": (refusal(404), refusal(404), [404], ConfigError, "has no such model"),
    "429": (
        *(refusal(429, retryAfter=0.2), refusal(429, retryAfter=0.2)),
        *([429, 429], TransientError, "lets us ask no more for now"),
    ),
    "503": (refusal(503), refusal(503), [503, 503], TransientError, "is out of order"),
    "disconnect": (
        {**OK, "chaos": {"disconnectRate": 1}},
        {**OK, "truncateAfterChunks": 3, "chunkSize": 8},
        *([None, None], TransientError, "broke off"),
    ),
    "garbled": (
        *({**OK, "chaos": {"malformedRate": 1}}, {**OK, "chaos": {"malformedRate": 1}}),
        *([None, None], TransientError, "gave an answer that cannot be read"),
    ),
    "slow": (
        *({**OK, "chaos": {"latencyMs": 3000}}, {**OK, "chaos": {"latencyMs": 3000}}),
        *([None, None], TransientError, "did not answer in time"),
    ),
}
# 1000 and 500 tokens, by the lists: 0.25 and 2, 1 and 5, 0.30 and 2.50 USD per million.
COSTS = {
    "openai": Decimal("0.00125"),
    "anthropic": Decimal("0.0035"),
    "google": Decimal("0.00155"),
    "compatible": None,
}


def fixtures() -> list[dict[str, Any]]:
    """Each fault for the model of its provider alone; all others answer."""
    made = []
    for provider in PROVIDERS:
        for fault, (whole, streamed, *_) in FAULTS.items():
            for way, does in (("whole", whole), ("streamed", streamed)):
                words = f"{provider} meets {fault} {way}"
                made.append({"match": {"userMessage": words, "model": MODELS[provider]}, **does})
    for words, first in (
        ("uses tools", [("tell", '{"days": 2}'), ("tell", '{"days": 3}')]),
        ("slips once", [("tell", '{"days": ')]),
    ):
        calls = [{"name": name, "arguments": arguments} for name, arguments in first]
        match = {"userMessage": words, "hasToolResult": False}
        made.append({"match": match, "response": {"toolCalls": calls, "usage": COUNTED}})
        made.append({"match": {"userMessage": words}, **OK})
    return [*made, {"match": {"userMessage": " meets "}, **OK}]


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server(fixtures()) as running:
        yield running


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """Return one event loop for all: SDKs keep their connections in it."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def ledger(module_database: Database) -> Iterator[Ledger]:
    policy = read_policy()
    caps = policy.caps.model_copy(update={"usd_per_user_day": Decimal(1000)})
    with module_database.connect("app", autocommit=True) as conn:
        users.add(conn, PERSON, "Ann", "viewer", (), actor="test")
        yield Ledger(policy.model_copy(update={"caps": caps}), lambda: nullcontext(conn))


@pytest.fixture(scope="module")
def made(server: ModelServer) -> dict[float, tuple[AssistantSettings, Models]]:
    """Return settings and models by patience: little where it is what is tried."""
    key = SecretStr("sk-canary")
    found = {}
    for patience in (0.3, 8.0):
        settings = AssistantSettings(
            **{f"{each}_api_key": key for each in PROVIDERS},
            **{f"{each}_url": f"{server.url}/v1" for each in ("openai", "compatible")},
            **{f"{each}_url": server.url for each in ("anthropic", "google")},
            silence_seconds=patience,
            call_seconds=9,
            pause_seconds=0.02,
        )
        found[patience] = settings, Models(settings, read_policy())
    return found


async def ask(model: BaseChatModel, words: str, *, streamed: bool) -> AIMessage:
    if not streamed:
        return await model.ainvoke(words)
    whole: Any = None
    async for piece in model.astream(words):
        whole = piece if whole is None else whole + piece
    assert isinstance(whole, AIMessageChunk) or whole is None
    return whole or AIMessage("")


def only(*chain: Provider) -> Policy:
    policy = read_policy()
    caps = policy.caps.model_copy(update={"usd_per_user_day": Decimal(1000)})
    return policy.model_copy(update={"chain": chain, "limits": {}, "caps": caps})


def kept(ledger: Ledger, turn: Turn) -> list[tuple[Any, ...]]:
    with ledger._connect() as conn:
        return conn.execute(
            "select provider, outcome, status_code, cost_usd, price_error"
            " from app.chat_attempts where message_id = %s order by number",
            [turn.message_id],
        ).fetchall()


@pytest.mark.parametrize("way", ["whole", "streamed"])
@pytest.mark.parametrize("fault", ["none", *FAULTS])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_or_a_clean_error_and_each_attempt_kept(
    provider: Provider,
    fault: str,
    way: str,
    server: ModelServer,
    loop: asyncio.Runner,
    ledger: Ledger,
    made: dict[float, tuple[AssistantSettings, Models]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings, models = made[0.3 if fault == "slow" else 8.0]
    behind: Provider = PROVIDERS[(PROVIDERS.index(provider) + 1) % len(PROVIDERS)]
    for chain in ([provider], [provider, behind]):
        policy = only(*chain)
        router = Router(Models(settings, policy), policy, settings, ledger)
        router._models._made = models._made  # the SDKs' clients are costly
        words = f"{provider} meets {fault} {way}, chain of {len(chain)}"
        turn = ledger.begin(PERSON, uuid4(), words)
        call = Call(partial(ask, words=words, streamed=way == "streamed"), lambda said: said, 10)
        began = time.monotonic()
        failed: AstraeusError | None = None
        try:
            assert loop.run(router.run(turn, call)).text == TEXT
        except AstraeusError as error:
            failed = error
        assert time.monotonic() - began < 10
        ledger.finish(turn, "failed" if failed else "complete")
        attempts = kept(ledger, turn)
        if fault != "slow":  # the server notes a request after its delay, whoever has gone
            assert len(attempts) == len(server.asked(words))
        expected: list[Any] = []
        if fault != "none":
            *_, expected, type_, said = FAULTS[fault]
            if len(chain) == 1:
                assert type(failed) is type_ and said in failed.message and failed.hint
                assert "canary" not in str(failed)
        assert [each[:3] for each in attempts[: len(expected)]] == [
            (provider, "failed" if status is None else "refused", status) for status in expected
        ]
        if fault == "none" or len(chain) == 2:
            assert failed is None
            who, outcome, _, cost, reason = attempts[-1]
            assert (who, outcome) == (provider if fault == "none" else behind, "answered")
            # aimock counts input in the stream's first event, the API in its last as well
            is_told = not (who == "anthropic" and way == "streamed")
            assert cost == (COSTS[who] if is_told else None) and (cost is None) == bool(reason)
            assert len(attempts) == len(expected) + 1
    assert "canary" not in "".join(capsys.readouterr())


def tell(days: int = 1) -> ToolResult:
    """Tell what was spent on so many days."""
    row = {"billed_cost": Decimal("12.50") * days, "who": caller().user_id}
    return ToolResult(result_id="r0123456789", tool="tell", rows=[row], row_count=1)


@pytest.mark.parametrize(
    ("provider", "asks", "way"),
    [
        *((each, "uses tools", way) for each in PROVIDERS for way in ("whole", "streamed")),
        # Google's calls are objects; for Anthropic's the server reads the text itself.
        *(("openai", "slips once", way) for way in ("whole", "streamed")),
    ],
)
def test_the_agent_over_each_sdk(
    provider: Provider,
    asks: str,
    way: str,
    server: ModelServer,
    loop: asyncio.Runner,
    ledger: Ledger,
    made: dict[float, tuple[AssistantSettings, Models]],
) -> None:
    settings, models = made[8.0]
    policy = only(provider)
    router = Router(Models(settings, policy), policy, settings, ledger)
    router._models._made = models._made
    tools = bound([ToolSpec(tell, "infrastructure", "Tell"), *TOOLS.values()])
    agent = build_agent(router, policy, tools)
    words = f"The {provider} {asks} {way}"
    turn = ledger.begin(PERSON, uuid4(), words)
    scope = Scope(PERSON, frozenset({"finops:read"}), "key")
    asking = Asking(turn, scope, date(2026, 11, 29))
    given: Any = {"messages": [HumanMessage(words)]}

    async def run() -> tuple[str, list[Any]]:
        if way == "whole":
            return (await agent.ainvoke(given, context=asking))["messages"][-1].text, []
        text, begun = "", []
        async for mode, piece in agent.astream(
            given, context=asking, stream_mode=["messages", "custom"]
        ):
            if mode == "custom":
                text = ""
                begun.append(piece)
            elif piece[1]["langgraph_node"] == "model":
                text += piece[0].text
        return text, begun

    text, begun = loop.run(run())
    ledger.finish(turn, "complete", text)
    assert text == TEXT
    if way == "streamed":
        assert begun == [{"attempt": 1}, {"attempt": 2}]
    requests = server.asked(words)
    assert len(requests) == len(kept(ledger, turn)) == 2
    for request in requests:
        assert len(request["body"]["tools"]) == len(TOOLS) + 1
        check_openai_transcript(request["body"]["messages"])
    results = [each for each in requests[1]["body"]["messages"] if each["role"] == "tool"]
    if asks == "uses tools":
        assert [json.loads(each["content"])["rows"][0]["billed_cost"] for each in results] == [
            *("25", "37.5")
        ]
        assert turn.signals["repairs"] == 0
    else:
        assert "could not be read" in results[0]["content"] and turn.signals["repairs"] == 1


def check_openai_transcript(messages: list[dict[str, Any]]) -> None:
    """Assert it of a request as the server read it: one system message, calls answered once."""
    assert [each["role"] for each in messages].count("system") == 1
    open_ids: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            open_ids.remove(message["tool_call_id"])
            continue
        assert open_ids == []
        calls = message.get("tool_calls") or []
        assert all(isinstance(json.loads(each["function"]["arguments"]), dict) for each in calls)
        open_ids = [each["id"] for each in calls]
    assert open_ids == []
