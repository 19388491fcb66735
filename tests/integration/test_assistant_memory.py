"""What the agent remembers, in the database: approvals that another process answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command
from psycopg.rows import dict_row
from pydantic import SecretStr

from app.assistant.graph import Asking, build_agent
from app.assistant.ledger import Attempt, Turn
from app.assistant.memory import forget_steps, open_memory, serializer
from app.assistant.models import Models
from app.assistant.policy import ListPrice, read_policy
from app.assistant.router import Router
from app.assistant.settings import AssistantSettings
from app.assistant.tools.contract import Scope, caller
from astraeus_pipeline.warehouse.engine import Database
from tests.fixtures.scripted_model import ScriptedModel, check_transcript, says

pytestmark = pytest.mark.integration

KEYS = AssistantSettings(openai_api_key=SecretStr("a"))
WRITTEN: list[str] = []


def sync(account: str) -> tuple[str, dict[str, Any]]:
    """Ingest an account again."""
    WRITTEN.append(f"{account} for {caller().user_id}")
    return "queued", {"rows": [{"account": account, "cost": "1.10"}]}


class Scripted(Models):
    def __init__(self, model: ScriptedModel) -> None:
        super().__init__(KEYS, read_policy())
        self._model = model

    def get(self, candidate: Any) -> Any:
        return self._model


class Unkept:
    def record(self, turn: Turn, attempt: Attempt) -> None:
        turn.attempts.append(attempt)

    def spent_today(self, turn: Turn) -> Decimal:
        return Decimal(0)


def run(database: Database, thread: Any, given: Any, *script: Any) -> dict[str, Any]:
    """Run the agent as a process of its own would: another pool, another loop."""
    model = ScriptedModel(script=list(script))
    policy = read_policy()

    async def once() -> dict[str, Any]:
        async with open_memory(database) as memory:
            tool = StructuredTool.from_function(sync, response_format="content_and_artifact")
            router = Router(Scripted(model), policy, KEYS, Unkept())
            agent = build_agent(router, policy, [tool], approved=["sync"], checkpointer=memory)
            scope = Scope("ann@example.org", frozenset(), "key")
            state = await agent.ainvoke(
                given,
                {"configurable": {"thread_id": str(thread)}},
                context=Asking(Turn(uuid4(), uuid4(), thread), scope, date(2026, 11, 29)),
            )
            await forget_steps(memory, thread)
            return dict(state)

    state = asyncio.run(once())
    for sent in model.sent:
        check_transcript(sent)
    return {**state, "sent": model.sent}


def steps(database: Database) -> Sequence[Any]:
    with database.connect("app") as conn:
        return conn.execute("select thread_id, count(*) from app.checkpoints group by 1").fetchall()


def test_an_approval_is_given_in_another_process_and_the_thread_goes_on(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    WRITTEN.clear()
    thread = uuid4()
    call: Any = {"name": "sync", "args": {"account": "acme"}, "id": "1", "type": "tool_call"}
    state = run(database, thread, {"messages": [HumanMessage("Sync acme")]}, says("", call))
    assert state["__interrupt__"] and WRITTEN == []
    assert steps(database) == [(str(thread), 1)]
    approval: Any = Command(resume={"decisions": [{"type": "approve"}]})
    state = run(database, thread, approval, says("It is queued."))
    assert WRITTEN == ["acme for ann@example.org"]
    assert state["messages"][-1].text == "It is queued."
    assert state["messages"][-2].artifact["rows"] == [{"account": "acme", "cost": "1.10"}]
    state = run(database, thread, {"messages": [HumanMessage("And?")]}, says("Wait."))
    said = [each.text for each in state["sent"][0][1:]]
    assert said == ["Sync acme", "", "queued", "It is queued.", "And?"]
    assert steps(database) == [(str(thread), 1)]
    assert "deseriali" not in caplog.text.lower()
    # Another thread knows nothing of it.
    state = run(database, uuid4(), {"messages": [HumanMessage("And?")]}, says("What?"))
    assert [each.text for each in state["sent"][0][1:]] == ["And?"]


def test_the_tables_are_as_langgraph_makes_them(database: Database) -> None:
    shape = (
        "select table_name, column_name, ordinal_position, data_type, is_nullable, column_default"
        " from information_schema.columns where table_schema = %s and table_name ~ '^checkpoint'"
    )
    indexes = (
        "select tablename, indexname, replace(indexdef, schemaname || '.', '') from pg_indexes"
        " where schemaname = %s and tablename ~ '^checkpoint'"
    )

    async def set_up(schema: str) -> None:
        url = database.url("admin").set(drivername="postgresql")
        async with await psycopg.AsyncConnection.connect(
            url.render_as_string(hide_password=False),
            autocommit=True,
            row_factory=dict_row,
            options=f"-c search_path={schema}",
        ) as conn:
            await AsyncPostgresSaver(conn).setup()

    with database.connect("admin", autocommit=True) as conn:
        conn.execute("create schema theirs")
        asyncio.run(set_up("theirs"))
        taken = "select array_agg(v order by v) from app.checkpoint_migrations"
        before = conn.execute(taken).fetchone()
        asyncio.run(set_up("app"))
        assert conn.execute(taken).fetchone() == before
        for question in (shape, indexes):
            ours, theirs = (
                {tuple(row) for row in conn.execute(question, [schema]).fetchall()}
                for schema in ("app", "theirs")
            )
            assert ours == theirs and ours


def test_nobody_else_reads_or_writes_them(database: Database) -> None:
    for role in ("reader", "operator", "loader", "dbt", "dagster"):
        with (
            database.connect(role) as conn,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            conn.execute("select 1 from app.checkpoint_blobs")


def test_a_class_that_is_none_of_ours_is_not_made_from_a_checkpoint() -> None:
    planted = ListPrice(input=Decimal(1), output=Decimal(2))
    kind, blob = JsonPlusSerializer().dumps_typed(planted)
    assert isinstance(JsonPlusSerializer().loads_typed((kind, blob)), ListPrice)
    read = serializer().loads_typed((kind, blob))
    assert not isinstance(read, ListPrice)
    message = HumanMessage("What did we spend?")
    assert serializer().loads_typed(serializer().dumps_typed(message)) == message
    assert json.dumps(read, default=str)
