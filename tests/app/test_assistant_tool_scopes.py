"""The assistant's tools tell nobody of what is not theirs, whatever is asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.assistant.attachments import sheets
from app.assistant.tools.contract import READ, Scope, ToolResult, acting
from app.assistant.tools.contract import SCOPES as ALL_SCOPES
from app.assistant.tools.registry import TOOLS
from app.auth import store
from app.queries import listings
from app.queries.catalog import DIMENSIONS, METRICS
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.errors import ConfigError, ForbiddenError
from astraeus_pipeline.orchestration import alerting
from astraeus_pipeline.warehouse import alert_rules, budgets, chat_attachments, chat_messages
from astraeus_pipeline.warehouse.alert_rules import NewRule
from astraeus_pipeline.warehouse.budgets import NewBudget
from tests.app.conftest import DAYS, THROUGH, ask, sign_in, user_of
from tests.app.hostile import fuzzed
from tests.app.test_assistant_other_tools import add_incident
from tests.app.test_scoped_totals import Company
from tests.app.test_scoped_totals import company as company  # a fixture
from tests.app.tool_calls import GIVEN, call

pytestmark = pytest.mark.integration


def test_nobody_and_who_lacks_the_scope_get_nothing(company: Company) -> None:
    with pytest.raises(ForbiddenError):
        TOOLS["get_costs"].run({})
    for spec in TOOLS.values():
        with pytest.raises(ForbiddenError):
            spec.function(**GIVEN.get(spec.name, {}))
        with acting(Scope("x@example.org", frozenset(), "")), pytest.raises(ForbiddenError):
            spec.run({})


def test_every_tool_answers_each_scope_with_their_own(company: Company) -> None:
    with company.database.connect("app", autocommit=True) as conn:
        for name, filters in (("for acme", {"account_id": ["acme"]}), ("for all", {})):
            budgets.add(
                conn,
                NewBudget(
                    name, "month", Decimal(9), "USD", THROUGH.replace(day=1), filters=filters
                ),
                "test",
            )
    for spec in TOOLS.values():
        given = GIVEN.get(spec.name, {})
        if spec.scope != READ:
            with pytest.raises(ForbiddenError, match=spec.scope):
                call(spec.name, "admin", **given)  # who may, but has not asked for it
            continue
        if not spec.is_on():
            with pytest.raises(ConfigError, match="no key"):
                call(spec.name, "admin", **given)
            continue
        whole = call(spec.name, "admin", **given)
        assert json.loads(whole.for_model())["result_id"] == whole.result_id
        for kept in (whole.model_dump(), whole.model_dump(mode="json")):
            assert ToolResult.model_validate(kept) == whole
        mine = call(spec.name, "of-beta", **given).model_dump_json(exclude={"sql"})
        assert "acme" not in mine.lower(), spec.name
        assert (whole.result_id in mine) is False
    assert [row["name"] for row in call("get_budgets").rows] != []
    assert [row["name"] for row in call("get_budgets", "of-acme").rows] == ["for acme"]
    found = call("get_resources", types=["EC2:instance"], words=["web_00"], limit=2)
    assert found.truncated and found.row_count == found.totals["resources"] == 10
    stats = {row["account_id"]: row for row in call("get_stats").rows if row["dataset"] == "costs"}
    assert set(stats) == {"acme", "beta"}
    assert stats["acme"]["data_through"] == THROUGH and stats["acme"]["missing_days"] == 0
    listed = {row["name"] for row in call("list_metrics").rows}
    assert listed == {*METRICS, *DIMENSIONS}
    assert [row["account"] for row in call("describe_metric", "of-beta", name="account").rows] == [
        "beta"
    ]


SOMEBODY = st.sampled_from(["acme", "ACME", "beta", "elsewhere", "' or true --", ""])
DAY = st.integers(-5, len(DAYS) + 5).map(lambda offset: str(DAYS.first + timedelta(days=offset)))
# What each of them attached, by its handle.
FILES: Final = {
    "acme": UUID("ac3e0000-0000-4000-8000-00000000000a"),
    "beta": UUID("be7a0000-0000-4000-8000-00000000000b"),
}
HANDLES: Final = {name: f"a{id.hex[:10]}" for name, id in FILES.items()}
FILTER = st.fixed_dictionaries(
    {
        "dimension": st.sampled_from(["account", "provider", "service", "region"]),
        "values": st.lists(st.sampled_from(["acme", "Beta", "Service B"]), min_size=1),
    },
    optional={"operator": st.sampled_from(["in", "not_in"])},
)
SOME: Final[dict[str, st.SearchStrategy[Any]]] = {
    "account": SOMEBODY,
    "account_ids": st.lists(SOMEBODY, max_size=2),
    "providers": st.lists(st.sampled_from(["Acme", "Beta", "AWS"]), max_size=2),
    "filters": st.lists(FILTER, max_size=2),
    "group_by": st.lists(st.sampled_from(["account", "provider", "team", "day"]), max_size=2),
    "status": st.sampled_from(["All", "Active", "Idle"]),
    "state": st.sampled_from(["All", "Open", "over"]),
    "words": st.lists(SOMEBODY, max_size=1),
    "start": DAY,
    "end": DAY,
    "since": DAY,
    "source": st.sampled_from(["billed", "assistant"]),
    "mart": st.sampled_from(["dim_accounts", "fct_charges"]),
    "by_service": st.booleans(),
    "compare_to": st.sampled_from(["none", "previous_period"]),
    "attachment": st.sampled_from([*HANDLES.values()]),
    "by": st.sampled_from(["total", "service", "account", "sub_account", "day"]),
    "anomaly_id": st.sampled_from(["of acme", "of beta"]),
    "budget": st.sampled_from(["for acme", "for beta", "for all"]),
    "amount": st.just(7),
    "currency": st.sampled_from(["USD", "EUR"]),
}
# By the tool, where a word means something else in it.
OF_TOOL: Final[dict[str, dict[str, st.SearchStrategy[Any]]]] = {
    "sync_resources": {
        "dataset": st.just("costs"),
        "start": st.just(str(DAYS.first)),
        "end": st.just(str(DAYS.last)),
    },
    "describe_metric": {"name": st.sampled_from(["account", "provider", "service"])},
    "create_budget": {
        "name": st.sampled_from(["one", "other"]),
        "filters": st.sampled_from(["acme", "beta"]).map(
            lambda account: [{"dimension": "account", "values": [account]}]
        ),
    },
}
# Of no data of anybody: it asks the web, and there is no key.
UNANSWERED: Final = {"search_web"}


@pytest.fixture(scope="module")
def tenants(company: Company) -> dict[str, list[str]]:
    """Give acme and beta a person, a budget, an incident, an alert and a file each.

    Return which breaches and marts there are to be asked for.
    """
    database = company.database
    with database.connect("app", autocommit=True) as conn:
        for account, currency in (("acme", "USD"), ("beta", "EUR")):
            rule = NewRule(
                name=f"Dear days of {account}",
                kind="cost_amount",
                amount=Decimal(1),
                billing_currency=currency,
                filters={"account": [account]},
                starts_on=THROUGH,
            )
            alert_rules.add_rule(conn, rule, "test")
            covered: dict[str, list[str | None]] = {"account_id": [account]}
            first = THROUGH.replace(day=1)
            add_incident(database, f"of {account}", account)
            if account == "beta":  # acme's is of another test
                budget = NewBudget(
                    "for beta", "month", Decimal(9), currency, first, filters=covered
                )
                budgets.add(conn, budget, "test")
            sign_in(database, f"admin-of-{account}", "admin", Grant("account", account))
            email = f"admin-of-{account}@example.org"
            bill = f"Service,Date,Amount,Currency\nOnly {account},{THROUGH},5.00,USD\n".encode()
            reading = sheets.reading_of(sheets.rows_of(bill)).model_dump(mode="json")
            begun = chat_messages.begin(conn, email, uuid4(), "?", {})
            chat_attachments.add(
                *(conn, email, begun.message_id, f"{account}.csv", "text/csv", bill, reading)
            )
            chat_messages.finish(conn, begun.message_id, status="complete", usage={})
            conn.execute(
                "update app.chat_attachments set id = %s where message_id = %s",
                [FILES[account], begun.message_id],
            )
        alerting.look(conn, None, datetime.now(UTC))
    sign_in(database, "admin-of-none", "admin", Grant("account", "elsewhere"))
    with database.connect("operator") as conn:
        rows = conn.execute("select breach_id from marts.fct_threshold_breaches").fetchall()
    breaches = [str(breach) for (breach,) in rows]
    assert len(breaches) > 1
    return {"breaches": breaches, "marts": [str(row["mart"]) for row in ask(listings.COLUMNS)]}


@pytest.mark.parametrize("name", TOOLS)
def test_no_tool_tells_of_others_whatever_is_asked(
    tenants: dict[str, list[str]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRAEUS_LLM_ADHOC_SQL", "true")
    spec = TOOLS[name]
    some = {
        **SOME,
        "breach_id": st.sampled_from(tenants["breaches"]),
        "sql": st.sampled_from(tenants["marts"]).map(lambda mart: f"select * from marts.{mart}"),
        **OF_TOOL.get(name, {}),
    }
    given_always = {key: value for key, value in GIVEN.get(name, {}).items() if key not in some}
    answered: set[str] = set()

    @st.composite
    def arguments(draw: st.DrawFn) -> dict[str, Any]:
        return given_always | {
            key: draw(some[key])
            for key, each in spec.arguments.model_fields.items()
            if key in some
            and (each.is_required() or key in OF_TOOL.get(name, {}) or draw(st.booleans()))
        }

    @fuzzed(16)
    @given(asked=arguments(), who=st.sampled_from([*FILES, "none", "shop-beta"]))
    def check(asked: dict[str, Any], who: str) -> None:
        others = {"acme": {"beta"}, "beta": {"acme"}, "none": {"acme", "beta"}}.get(who, set())
        found = store.live(
            user_of(f"admin-of-{who}" if who in (*FILES, "none") else f"of-{who}")["session"]
        )
        assert found is not None
        try:
            with acting(Scope.of(found, ALL_SCOPES)):
                result = spec.run(asked)
        except (ConfigError, ForbiddenError) as error:
            # What is refused says what there is, beside what was typed.
            told = str(error).partition("There are: ")[2].lower()
        else:
            answered.add(who)
            rows = [row for row in result.rows if row.get("kind") not in ("metric", "dimension")]
            told = json.dumps([rows, result.notes], default=str).lower()
            if who == "none":
                assert not any(result.totals.values())
        assert not [each for each in others if each in told], told

    check()
    assert answered or name in UNANSWERED
