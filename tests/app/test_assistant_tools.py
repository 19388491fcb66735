"""The assistant's tools: the pages' own figures, the caller's rows, answers that can be checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.assistant.attachments import sheets
from app.assistant.tools.contract import READ, Scope, ToolResult, acting, cell
from app.assistant.tools.contract import SCOPES as ALL_SCOPES
from app.assistant.tools.registry import TOOLS, tool
from app.auth import store
from app.components.cache import ask_for
from app.queries import listings, periods, tables
from app.queries.catalog import DIMENSIONS, METRICS
from app.queries.compiler import CostQuery, compile_costs, compile_members
from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.errors import ConfigError, ForbiddenError
from astraeus_pipeline.orchestration import alerting
from astraeus_pipeline.warehouse import alert_rules, budgets, chat_attachments, chat_messages
from astraeus_pipeline.warehouse.alert_rules import NewRule
from astraeus_pipeline.warehouse.budgets import NewBudget
from tests.app.conftest import DAYS, THROUGH, ask, sign_in, user_of
from tests.app.hostile import fuzzed
from tests.app.test_assistant_other_tools import add_incident
from tests.app.test_scoped_totals import (
    SCOPES,
    TAG,
    Company,
    expected,
    person,
    queries,
)
from tests.app.test_scoped_totals import company as company  # a fixture

pytestmark = pytest.mark.integration


# What a tool cannot do without.
GIVEN: Final[dict[str, dict[str, Any]]] = {
    "describe_metric": {"name": "account"},
    "validate_credentials": {"account": "acme"},
    "run_sql": {"sql": "select account_id from marts.dim_accounts"},
    "search_web": {"query": "price of gp3"},
    "sync_resources": {"account": "acme", "start": DAYS.first, "end": DAYS.last},
    "acknowledge_anomaly": {"anomaly_id": "a1"},
    "acknowledge_alert": {"breach_id": "b1"},
    "create_budget": {"name": "x", "amount": 9, "currency": "USD"},
    "change_budget": {"budget": "for all"},
    "ask_which": {"question": "Which?", "choices": ["One", "Other"]},
}


@contextmanager
def acting_as(name: str) -> Iterator[Scope]:
    found = store.live(user_of(name)["session"])
    assert found is not None
    with acting(Scope.of(found)) as _:
        yield Scope.of(found)


def call(name: str, who: str = "admin", /, **arguments: Any) -> ToolResult:
    with acting_as(who):
        return TOOLS[name].run(arguments)


def period(query: CostQuery) -> dict[str, str]:
    return {"start": str(query.days.first), "end": str(query.days.end)}


@fuzzed(40)
@given(query=queries, name=st.sampled_from(list(SCOPES)))
def test_costs_are_those_of_the_scope_whatever_is_asked(
    company: Company,
    query: CostQuery,
    name: str,
) -> None:
    who = person(name)
    members = {
        key: {row["member"] for row in ask_for(who, compile_members(key, query.currency, TAG))}
        for key, _ in query.filters
    }
    known = tuple(
        (key, kept)
        for key, values in query.filters
        if (kept := tuple(each for each in values if each in members[key]))
    )
    [key] = query.group_by
    arguments = {
        **period(query),
        "metrics": [query.basis],
        "currency": query.currency,
        "group_by": [key],
        "filters": [{"dimension": of, "values": list(values)} for of, values in known],
        "tag_key": TAG.key if replace(query, filters=known).source == "tagged" else None,
        "limit": 200,
    }
    wanted = expected(company, name, replace(query, filters=known))
    try:
        result = call("get_costs", f"of-{name}", **arguments)
    except ConfigError as error:
        # A currency that they have no costs in, or tags, which no team's part has.
        assert "no costs in" in str(error) or (who.is_by_team and "no tags" in str(error))
        assert not wanted
        return
    column = METRICS[query.basis].column
    assert {row[key]: row[column] for row in result.rows} == wanted
    whole = money.total(wanted.values())
    assert result.totals.get(f"{column} {query.currency}", money.ZERO) == whole
    foreign = {"acme", "beta"} - {row["account_id"] for row in rows_seen(company, name)}
    text = result.model_dump_json(exclude={"sql"})
    assert not any(f'"{account}' in text.lower() for account in foreign)


def rows_seen(company: Company, name: str) -> list[dict[str, Any]]:
    teams = {grant.value for grant in SCOPES[name] if grant.kind == "team"}
    if not SCOPES[name] or teams or any(each.kind == "provider" for each in SCOPES[name]):
        return company.daily
    mine = {grant.value for grant in SCOPES[name] if grant.kind == "account"}
    return [row for row in company.daily if row["account_id"] in mine]


def test_a_comparison_is_the_pages(company: Company) -> None:
    days = periods.period("30 days", THROUGH)
    query = CostQuery(days, "USD", "effective", ("service",))
    compared = periods.compared(days, "Previous period")
    assert compared is not None
    who = person("all")
    now = ask_for(who, compile_costs(query))
    before = ask_for(who, compile_costs(replace(query, days=compared)))
    result = call(
        "get_costs",
        **period(query),
        metrics=["effective", "list"],
        currency="usd",
        group_by=["service"],
        compare_to="previous_period",
        limit=3,
    )
    groups = tables.compare("service", now, before)
    assert len(groups) == result.row_count > len(result.rows) == 3 and result.truncated
    for rank, (row, group) in enumerate(zip(result.rows, groups, strict=False), start=1):
        assert row["rank"] == rank and row["service"] == group.group
        assert (row["effective_cost"], row["previous_cost"]) == (group.cost, group.previous)
        assert row["change_abs"] == group.change and row["list_cost"] == group.cost
        for name in ("share_pct", "change_pct"):
            exact = {"share_pct": group.share_percent, "change_pct": group.change_percent}[name]
            assert exact is not None and abs(Decimal(str(row[name])) - exact) <= Decimal("0.005")
    assert result.totals["effective_cost USD"] == tables.total(now)
    assert result.totals["previous_cost USD"] == tables.total(before)
    assert result.unit["effective_cost"] == result.unit["previous_cost USD"] == "USD"
    assert result.unit["share_pct"] == "%" and result.data_as_of == THROUGH
    # What is shown as SQL gives the same again, as the same person.
    with company.database.connect("reader") as conn:
        conn.execute("select set_config('astraeus.session', %s, true)", [who.session])
        [first, *_] = result.sql.split(";\n\n")
        cursor = conn.execute(first.encode())
        assert cursor.description is not None
        place = [column.name for column in cursor.description].index("cost")
        assert {row[0]: row[place] for row in cursor} == {r["service"]: r["cost"] for r in now}


def test_currencies_stay_apart_and_periods_in_order(company: Company) -> None:
    result = call("get_costs", start=str(DAYS.first), end=str(DAYS.end), grain="month")
    by_currency = [row["billing_currency"] for row in result.rows]
    assert by_currency == sorted(by_currency, reverse=True) and set(by_currency) == {"USD", "EUR"}
    months = [row["period"] for row in result.rows if row["billing_currency"] == "USD"]
    assert months == list(DAYS.months())
    assert set(result.totals) >= {"billed_cost USD", "billed_cost EUR"}
    assert result.unit["billed_cost"] == "billing_currency"
    assert result.unit["billed_cost EUR"] == "EUR"


def test_no_data_is_said_and_never_zero(company: Company) -> None:
    later = {"start": str(THROUGH + timedelta(days=9)), "end": str(THROUGH + timedelta(days=19))}
    result = call("get_costs", **later)
    assert result.rows == [] and result.totals == {}
    assert "no data, not a cost of zero" in result.notes[0]
    assert any("missing, not zero" in note for note in result.notes)
    assert call("get_costs", "of-none").rows == []


def test_contributions_add_up_to_the_change(company: Company) -> None:
    half = DAYS.first + timedelta(days=20)
    result = call(
        "explain_change",
        start=str(half),
        end=str(half + timedelta(days=30)),
        compare_start=str(DAYS.first),
        compare_end=str(half),
        currency="USD",
        by_service=True,
    )
    change = result.totals["change_abs USD"]
    assert change == result.totals["after USD"] - result.totals["before USD"] != 0
    assert sum(Decimal(str(row["change_abs"])) for row in result.rows) == change
    assert not any("miss the change" in note for note in result.notes)
    with pytest.raises(ConfigError, match="allocated to teams"):
        call("explain_change", "of-shop")


def test_what_cannot_be_asked_names_the_nearest(company: Company) -> None:
    for arguments, told in (
        ({"metrics": ["biled"]}, "Did you mean 'billed'? There are: billed"),
        ({"group_by": ["servce"]}, "Did you mean 'service'?"),
        ({"filters": [{"dimension": "account", "values": ["acm"]}]}, "Did you mean 'acme'?"),
        ({"groupby": ["service"]}, "Did you mean 'group_by'?"),
        ({"start": "2026-01-05", "end": "2026-01-05"}, "end is exclusive"),
        ({"start": "2026-01-05"}, "belong together"),
        ({"currency": "GBP"}, "There are costs in: USD, EUR."),
        ({"group_by": ["tag"]}, "needs tag_key"),
        ({"group_by": ["tag"], "tag_key": "costcentr"}, "Did you mean 'costcenter'?"),
        ({"group_by": ["tag", "team"], "tag_key": "costcenter"}, "cannot be asked at once"),
        ({"limit": 201}, "less than or equal to 200"),
        ({"grain": "day", "compare_to": "last_year"}, "not compared"),
    ):
        with pytest.raises(ConfigError) as refused:
            call("get_costs", **arguments)
        assert told in str(refused.value), str(refused.value)
    with pytest.raises(ConfigError, match="Did you mean 'get_costs'"):
        tool("get_cost")
    # Another's account is as unknown as one that is not there.
    with pytest.raises(ConfigError) as refused:
        call("get_costs", "of-beta", filters=[{"dimension": "account", "values": ["acme"]}])
    assert "There are: beta." in str(refused.value)


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


def test_cells_are_exact_short_and_without_control_characters() -> None:
    assert str(cell(Decimal("0E-9"))) == "0" and str(cell(Decimal("1E+3"))) == "1000"
    assert cell("a\x1b[31m\u202eb\n") == "a [31m b "
    long = cell("x" * 900)
    assert isinstance(long, str) and len(long) == 200
    assert cell({"b": 1, "a": "ü"}) == '{"a": "ü", "b": 1}'
