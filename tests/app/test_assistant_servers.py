"""The MCP servers, by the SDK's own client: the tools' answers, the caller's rows, the log."""

from __future__ import annotations

import os
import sys
from typing import Any

import anyio
import pytest
import structlog
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from structlog.testing import capture_logs

from app.assistant.servers import protocol, visits
from app.assistant.servers.__main__ import main
from app.assistant.servers.pace import Pace
from app.assistant.tools.contract import READ, SCOPES, Scope, Server, ToolSpec, acting
from app.assistant.tools.registry import TOOLS, of_server
from app.auth import store
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.errors import AstraeusError, ConfigError, ForbiddenError
from astraeus_pipeline.warehouse import users
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import DAYS, sign_in, user_of
from tests.app.tool_calls import GIVEN

pytestmark = pytest.mark.integration
ASKED = {
    "start": str(DAYS.first),
    "end": str(DAYS.end),
    "group_by": ["account", "service"],
    "metrics": ["billed", "effective"],
}


def directly(
    email: str, name: str, arguments: dict[str, Any], scopes: str = READ
) -> dict[str, Any]:
    """Return a tool's answer as the person gets it in this process."""
    who = store.live(user_of(email)["session"])
    assert who is not None
    with acting(Scope.of(who, frozenset(scopes.split()))):
        return TOOLS[name].run(arguments).model_dump(mode="json")


def test_a_client_over_stdio_gets_what_the_tools_say(marts: Database) -> None:
    sign_in(marts, "of-beta", "viewer", Grant("account", "beta"))
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "astraeus_pipeline.cli", "mcp", "infrastructure"],
        env={**os.environ, "ASTRAEUS_USER": "of-beta@example.org"},
        cwd="/",
    )

    async def talk() -> tuple[Any, ...]:
        async with Client(command, read_timeout_seconds=60) as client:
            return (
                await client.list_tools(),
                await client.call_tool("get_costs", ASKED),
                await client.call_tool("get_costs", {"group_by": ["servce"]}),
                await client.call_tool(
                    "get_costs", {"filters": [{"dimension": "account", "values": ["acme"]}]}
                ),
                await client.read_resource(protocol.CATALOG),
                {
                    name: await client.call_tool(name, GIVEN.get(name, {}))
                    for name in of_server("infrastructure")
                },
            )

    listed, costs, misspelt, foreign, catalog, every = anyio.run(talk)
    assert {each.name for each in listed.tools} == set(of_server("infrastructure"))
    for each in listed.tools:
        assert each.input_schema == TOOLS[each.name].input_schema
        assert each.description and each.annotations.read_only_hint
    assert not costs.is_error
    assert costs.structured_content == directly("of-beta", "get_costs", ASKED)
    assert {row["account"] for row in costs.structured_content["rows"]} == {"beta"}
    for name, answer in every.items():
        expected = directly("of-beta", name, GIVEN.get(name, {}))
        assert answer.structured_content == expected, name
    assert misspelt.is_error and "Did you mean 'service'?" in misspelt.content[0].text
    assert foreign.is_error and "There are: beta." in foreign.content[0].text
    assert '"name": "billed"' in catalog.contents[0].text
    with marts.connect("app") as conn:
        noted = conn.execute(
            "select subject, detail ->> 'result', detail ? 'refused' from app.audit_log"
            " where action = 'tool.called' and actor = 'of-beta@example.org' order by id"
        ).fetchall()
    noted, rest = noted[:4], noted[4:]
    assert [each[0] for each in rest] == [*every]
    with marts.connect("app") as conn:
        left = conn.execute(
            "select count(*) from app.live_sessions inner join app.sessions using (key)"
            " where user_agent like 'MCP server%'"
        ).fetchone()
    assert noted == [
        ("get_costs", costs.structured_content["result_id"], False),
        ("get_costs", None, True),
        ("get_costs", None, True),
        ("list_metrics", noted[-1][1], False),
    ]
    assert left == (0,)


@pytest.mark.parametrize("server", ["llm_analytics", "cloud_sync"])
def test_every_tool_of_the_other_servers_says_the_same_over_stdio(
    marts: Database, server: Server
) -> None:
    sign_in(marts, f"chief-{server}", "admin")
    scopes = " ".join(sorted(SCOPES))
    who = {"ASTRAEUS_USER": f"chief-{server}@example.org", "ASTRAEUS_MCP_SCOPES": scopes}
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "astraeus_pipeline.cli", "mcp", server],
        env={**os.environ, **who},
        cwd="/",
    )
    asked = {name: GIVEN.get(name, {}) for name in of_server(server)}

    async def talk() -> dict[str, Any]:
        async with Client(command, read_timeout_seconds=60) as client:
            return {name: await client.call_tool(name, given) for name, given in asked.items()}

    for name, answer in anyio.run(talk).items():
        try:
            expected = directly(f"chief-{server}", name, asked[name], scopes)
        except AstraeusError as error:
            assert answer.is_error and answer.content[0].text == str(error), name
        else:
            assert answer.structured_content == expected, name


def test_who_is_not_known_or_no_longer_there_gets_nothing(
    marts: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for email, told in (("", "ASTRAEUS_USER is not set"), ("x@example.org", "no user x@")):
        monkeypatch.setenv("ASTRAEUS_USER", email)
        assert main(["infrastructure"]) == ConfigError.exit_code
        assert told in capsys.readouterr().err
    assert main(["infrastructur"]) == ConfigError.exit_code
    sign_in(marts, "leaver", "viewer")
    visit = visits.Visit(lambda: visits.enter_as("leaver@example.org", "infrastructure"))
    first = visit.scope(frozenset({READ}))
    assert visit.scope(frozenset({READ})).session == first.session
    with marts.connect("app", autocommit=True) as conn:
        conn.execute(
            "update app.sessions set last_seen_at = last_seen_at - interval '2 hours'"
            " where key = %s",
            [first.session],
        )
        # Idled out: another one. Revoked, as by any change of what they may: none.
        assert visit.scope(frozenset({READ})).session != first.session
        users.set_role(conn, "leaver@example.org", "analyst", actor="test")
        with pytest.raises(ForbiddenError, match="has been ended"):
            visit.scope(frozenset({READ}))
        users.set_active(conn, "leaver@example.org", False, actor="test")
    with pytest.raises(ForbiddenError, match="not active"):
        visits.enter_as("leaver@example.org", "infrastructure")


def test_in_one_process_both_protocols_say_the_same(marts: Database) -> None:
    who = store.live(user_of("viewer")["session"])
    assert who is not None
    server = protocol.build("infrastructure", lambda: Scope.of(who))

    async def talk(mode: str) -> Any:
        async with Client(server, mode=mode) as client:
            return await client.call_tool("get_costs", ASKED)

    expected = directly("viewer", "get_costs", ASKED)
    for mode in ("legacy", "auto"):
        assert anyio.run(talk, mode).structured_content == expected
    nobody = protocol.build("infrastructure", lambda: Scope("x@example.org", frozenset(), ""))

    async def refused() -> Any:
        async with Client(nobody) as client:
            return await client.call_tool("get_costs", {})

    assert "needs the scope finops:read" in anyio.run(refused).content[0].text


def test_what_nobody_has_foreseen_is_a_sentence_a_log_and_an_audit_line(
    marts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = store.live(user_of("analyst")["session"])
    assert who is not None
    server = protocol.build("infrastructure", lambda: Scope.of(who))

    def broken(*_: Any) -> Any:
        raise RuntimeError("hunter2")

    async def talk() -> Any:
        async with Client(server) as client:
            prompt = await client.get_prompt("monthly_review", {"month": "2026-02"})
            templates = await client.list_resource_templates()
            metric = await client.read_resource(f"{protocol.CATALOG}/billed")
            monkeypatch.setattr(ToolSpec, "_run", broken)
            return prompt, templates, metric, await client.call_tool("get_costs", ASKED)

    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        prompt, templates, metric, failed = anyio.run(talk)
    assert "2026-02-01" in prompt.messages[0].content.text
    assert [each.name for each in templates.resource_templates] == ["metric"]
    assert '"column": "marts.fct_daily_costs.billed_cost"' in metric.contents[0].text
    [told] = [each for each in lines if each["event"] == "a tool failed"]
    assert "RuntimeError: hunter2" in told["traceback"]
    words = failed.content[0].text
    assert failed.is_error and "hunter2" not in words and told["request_id"][:8] in words
    requests = [each for each in lines if each["event"] == "a request was answered"]
    asked = [(each["method"], each.get("name") or each.get("uri")) for each in requests]
    assert ("prompts/get", "monthly_review") in asked and ("tools/call", "get_costs") in asked
    assert all(each["bytes"] > 0 and each["milliseconds"] >= 0 for each in requests)
    with marts.connect("app") as conn:
        noted = conn.execute(
            "select subject, detail ->> 'failed', detail ->> 'request_id' from app.audit_log"
            " where action = 'tool.called' and actor = 'analyst@example.org' order by id"
        ).fetchall()
    assert [row[:2] for row in noted] == [("describe_metric", None), ("get_costs", "RuntimeError")]
    assert noted[-1][2] == told["request_id"]


def test_who_calls_without_end_is_asked_to_wait(
    marts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(protocol, "PACE", Pace(2, lambda: now[0]))
    spec, given = TOOLS["get_costs"], {**ASKED, "metrics": ["billed"]}

    def call(email: str) -> Any:
        who = store.live(user_of(email)["session"])
        assert who is not None
        return protocol._answered("infrastructure", spec, given, lambda: Scope.of(who))

    assert [call("viewer").is_error for _ in range(4)] == [False, False, True, True]
    assert "Wait 60 seconds" in call("viewer").content[0].text
    assert not call("analyst").is_error
    now[0] = 60.0
    assert not call("viewer").is_error
    with marts.connect("app") as conn:
        noted = conn.execute(
            "select count(*) from app.audit_log where detail->>'refused' like 'More than 2 calls%'"
        ).fetchone()
    assert noted == (3,)
