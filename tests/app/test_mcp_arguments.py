"""Any arguments to any tool of the MCP servers: an answer or a refusal in words, and no more."""

from __future__ import annotations

import json
from typing import Any, Final, get_args
from urllib.parse import quote

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from mcp.shared.exceptions import MCPError

from app.assistant.servers import offers, protocol
from app.assistant.servers.pace import Pace
from app.assistant.tools.contract import SCOPES, Scope, Server, ToolResult
from app.assistant.tools.registry import of_server
from app.auth import store
from app.queries import periods
from app.queries.catalog import DIMENSIONS, METRICS
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import THROUGH, user_of
from tests.app.hostile import DAYS, TEXTS, fuzzed, texts
from tests.app.test_bad_input import tenants as tenants  # a fixture

pytestmark = pytest.mark.integration
SERVERS: Final = get_args(Server)
PEOPLE: Final = ("admin", "acme-viewer", "shop-owner")
# What a client can send where a tool expects something else.
NUMBERS: Final = (-1, 0, 1, 200, 201, 2**31, 2**63, 10**400, -0.0, 0.5, float("inf"), float("nan"))
WORDS: Final = (
    *("acme", "beta", "ACME", "bta", "Acme", "Hidden Ltd", "Hidden service", "Service B"),
    *(
        "USD",
        "eur",
        "XXX",
        "costs",
        "resources",
        "shop",
        "costcenter",
        "env",
        "billed",
        "assistant",
    ),
    *METRICS,
    *DIMENSIONS,
    *periods.PRESETS,
    *(str(THROUGH), str(THROUGH.replace(day=1)), "month", "day", "previous_period", "total"),
)
# Of what tells that something was not foreseen, or is of the machine and not of the person.
LEAKS: Final = (
    *("Traceback", "psycopg", "sqlalchemy", "SQLSTATE", "unexpectedly", "select ", "marts.fct"),
    *('File "', "violates", "syntax error", "site-packages", "token of "),
)

plain = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS),
    st.sampled_from(WORDS),
    st.sampled_from((*DAYS, *TEXTS)),
    texts,
)
values = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(["dimension", "values"]), texts), inner),
    ),
    max_leaves=5,
)
DEEP: Final[Any] = json.loads("[" * 100 + "]" * 100)
filters = st.lists(
    st.fixed_dictionaries(
        {
            "dimension": st.one_of(st.sampled_from(list(DIMENSIONS)), plain),
            "values": st.one_of(st.lists(plain, max_size=3), plain),
        }
    ),
    max_size=3,
)


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return values that a parameter may take by its schema, though there may be no such thing."""
    kinds = {each.get("type") for each in (schema, *schema.get("anyOf", ()))}
    found: list[st.SearchStrategy[Any]] = [values]
    if "array" in kinds:
        found += [st.lists(st.sampled_from(WORDS), max_size=3), filters]
    if "integer" in kinds:
        found.append(st.integers(-1, 210))
    if "boolean" in kinds:
        found.append(st.booleans())
    if "string" in kinds or schema.get("enum"):
        found += [st.sampled_from([*WORDS, *schema.get("enum", ())]), st.sampled_from(DAYS)]
    return st.one_of(*found)


@st.composite
def calls(draw: st.DrawFn, server: Server) -> tuple[str, dict[str, Any]]:
    """Return a tool of a server, and arguments: known ones with anything, and unknown ones."""
    name = draw(st.sampled_from(list(of_server(server))))
    known = of_server(server)[name].input_schema.get("properties", {})
    chosen = draw(st.lists(st.sampled_from([*known, "no_such"]), max_size=5, unique=True))
    asked = {key: draw(fitting(known.get(key, {}))) for key in chosen}
    if draw(st.integers(0, 20)) == 0:
        asked[draw(texts)] = draw(st.one_of(st.just(DEEP), values))
    return name, asked


def check(who: str, asked: Any, answer: Any) -> None:
    """Hold one answer to what it may be."""
    foreign = () if who == "admin" else ("hidden", "beta")
    if answer.is_error:
        [told] = answer.content
        assert told.text.strip()
        echoed = json.dumps(asked, ensure_ascii=False, default=str).casefold()
        leaks = [*LEAKS, *(each for each in foreign)]
        found = [
            each
            for each in leaks
            if each.casefold() in told.text.casefold() and each.casefold() not in echoed
        ]
        assert not found, told.text
        return
    result = ToolResult.model_validate(answer.structured_content)
    assert result.row_count >= len(result.rows)
    shown = json.dumps(answer.structured_content["rows"], ensure_ascii=False).casefold()
    told = shown + " ".join((*result.notes, *result.totals)).casefold()
    assert not [each for each in foreign if each in told], told


@pytest.mark.parametrize("server", SERVERS)
def test_any_arguments_are_answered_or_refused_in_words(
    tenants: Database, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "PACE", Pace(1_000_000))

    @fuzzed(25)
    @given(data=st.data(), who=st.sampled_from(PEOPLE))
    def tried(data: st.DataObject, who: str) -> None:
        asked = data.draw(st.lists(calls(server), min_size=3, max_size=3))
        found = store.live(user_of(who)["session"])
        assert found is not None
        served = protocol.build(server, lambda: Scope.of(found, SCOPES))

        async def talk() -> list[Any]:
            async with Client(served) as client:
                return [await client.call_tool(name, arguments) for name, arguments in asked]

        for (_, arguments), answer in zip(asked, anyio.run(talk), strict=True):
            check(who, arguments, answer)

    tried()


def test_a_number_of_any_length_is_refused_in_words_and_audited(tenants: Database) -> None:
    """By itself: Python spells no number of so many digits, which is what hypothesis would do."""
    found = store.live(user_of("admin")["session"])
    assert found is not None
    served = protocol.build("infrastructure", lambda: Scope.of(found, SCOPES))

    async def talk() -> Any:
        async with Client(served) as client:
            return await client.call_tool("get_stats", {"limit": 10**5000, "no_such": [[10**9000]]})

    answer = anyio.run(talk)
    assert answer.is_error and "unexpectedly" not in answer.content[0].text
    with tenants.connect("app") as conn:
        row = conn.execute(
            "select detail -> 'arguments' ->> 'limit' from app.audit_log"
            " where subject = 'get_stats' and action = 'tool.called' order by id desc limit 1"
        ).fetchone()
    assert row == (f"a number of {(10**5000).bit_length()} bits",)


def test_any_address_and_any_prompt_is_answered_or_refused_in_words(
    tenants: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "PACE", Pace(1_000_000))
    known = [each.uri.removesuffix("{name}") for rows in offers.READABLE.values() for each in rows]
    addresses = st.one_of(
        st.builds(
            lambda start, name: start + quote(name),
            st.sampled_from([*known, f"{offers.CATALOG}/"]),
            st.one_of(texts, st.sampled_from(WORDS)),
        ),
        texts,
    )

    @fuzzed(25)
    @given(
        server=st.sampled_from(SERVERS),
        who=st.sampled_from(PEOPLE),
        address=addresses,
        prompt=st.one_of(texts, st.sampled_from([each.name for each in offers.WORK[SERVERS[0]]])),
        given=st.dictionaries(st.one_of(st.just("month"), texts), texts, max_size=2),
    )
    def tried(server: Server, who: str, address: str, prompt: str, given: dict[str, str]) -> None:
        found = store.live(user_of(who)["session"])
        assert found is not None
        served = protocol.build(server, lambda: Scope.of(found, SCOPES))

        async def talk() -> list[str]:
            told = []
            async with Client(served) as client:
                for ask, arguments in (
                    (client.read_resource, (address,)),
                    (client.get_prompt, (prompt, given)),
                ):
                    try:
                        told.append((await ask(*arguments)).model_dump_json())
                    except MCPError as error:
                        told.append(error.message)
            return told

        echoed = f"{address}{prompt}{given}".casefold()
        for words in anyio.run(talk):
            foreign = () if who == "admin" else ("Hidden", "beta")
            leaks = [
                each
                for each in (*LEAKS, *foreign)
                if each.casefold() in words.casefold() and each.casefold() not in echoed
            ]
            assert not [each for each in leaks if each != "marts.fct"], words

    tried()
