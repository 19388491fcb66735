"""The assistant's tools: the pages' own figures, in answers that can be checked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.assistant.tools.contract import cell
from app.assistant.tools.registry import tool
from app.components.cache import ask_for
from app.queries import periods, tables
from app.queries.catalog import METRICS
from app.queries.compiler import CostQuery, compile_costs, compile_members
from astraeus_pipeline.contracts import money
from astraeus_pipeline.errors import ConfigError
from tests.app.conftest import DAYS, THROUGH
from tests.app.hostile import fuzzed
from tests.app.test_scoped_totals import (
    SCOPES,
    TAG,
    Company,
    expected,
    person,
    queries,
)
from tests.app.test_scoped_totals import company as company  # a fixture
from tests.app.tool_calls import call

pytestmark = pytest.mark.integration


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


def test_cells_are_exact_short_and_without_control_characters() -> None:
    assert str(cell(Decimal("0E-9"))) == "0" and str(cell(Decimal("1E+3"))) == "1000"
    assert cell("a\x1b[31m\u202eb\n") == "a [31m b "
    long = cell("x" * 900)
    assert isinstance(long, str) and len(long) == 200
    assert cell({"b": 1, "a": "ü"}) == '{"a": "ü", "b": 1}'
