"""Costs by a tag and by who bears them: to the cent, untagged apart, followed as far as one can."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.components import formats
from app.queries import periods, tables
from app.queries.catalog import DIMENSIONS, Tag
from app.queries.compiler import TAG_KEYS, CostQuery, compile_costs, compile_members
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import DAYS, THROUGH, ask, forget
from tests.app.test_budgets_page import sql
from tests.app.test_pages import metric, run, total
from tests.fixtures.parsed import parsed_for, run_dbt

pytestmark = pytest.mark.integration
MONTH = periods.period("Month to date", THROUGH)


@pytest.fixture(scope="module")
def shared(marts: Database, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A service is one team's, and another is another's; summed by dbt as after any build."""
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute(
            "update marts.fct_daily_allocated_costs set team = case service_name"
            " when 'Service B' then 'shop' when 'Service C' then 'data' end,"
            " cost_center = case service_name when 'Service B' then '100' end"
        )
    summed = ("run", "--full-refresh", "--select", "fct_daily_team_costs", "fct_team_costs")
    results = run_dbt(parsed_for(marts), tmp_path_factory.mktemp("target"), summed).results
    assert {str(each.status) for each in results} == {"success"}
    forget()
    return marts


def of_service(database: Database, *letters: str) -> Decimal:
    query = (
        "select sum(billed_cost) from marts.fct_daily_costs where billing_currency = 'USD'"
        " and usage_date between %s and %s and service_name = any(%s)"
    )
    names = [f"Service {letter}" for letter in letters]
    return Decimal(sql(database, query, MONTH.first, MONTH.last, names))


def costs(at: Any, label: str) -> dict[str, Decimal]:
    table = at.dataframe[-1].value
    return dict(zip(table[label], table["Cost (USD)"], strict=True))


def test_keys_are_one_whatever_their_spelling(shared: Database) -> None:
    keys = {row["tag_key"]: row["spellings"] for row in ask(TAG_KEYS)}
    # In byte order; an empty value is no tag, and its spelling is none.
    assert keys == {
        "costcenter": ["Cost-Center", "CostCenter", "cost_center", "user:cost_center"],
        "env": ["env"],
    }


def test_costs_by_tag_are_all_costs(shared: Database) -> None:
    at = run("costs", by="Tag", tag="costcenter")
    assert not at.exception and not at.error and not at.warning
    found = costs(at, "Tag costcenter")
    assert found == {
        "r&d": of_service(shared, "B", "C"),
        "ops": of_service(shared, "D"),
        "first": of_service(shared, "E"),
        "Untagged": of_service(shared, *"AFGHIJK"),
    }
    whole = total(shared, "USD", MONTH.first, MONTH.last)
    assert sum(found.values()) == whole
    assert metric(at, periods.spell(MONTH)) == formats.exact(whole, "USD")
    daily = run("costs", by="Service")
    assert metric(at, "Not final yet") == metric(daily, "Not final yet")
    at.selectbox(key="tag").set_value("env").run()
    assert set(costs(at, "Tag env")) == {"prod", "test", "Untagged"}


def test_a_tag_filters_whatever_groups(shared: Database) -> None:
    at = run("costs", by="Service", tag="costcenter", tagged=["r&d"])
    assert not at.exception and not at.error and not at.warning
    found = costs(at, "Service")
    assert found == {f"Service {one}": of_service(shared, one) for one in "BC"}
    chip = at.button(key="chip_tag")
    assert chip.label == "Tag costcenter: r&d"
    chip.click().run()
    assert "tagged" not in at.query_params and at.selectbox(key="by").value == "Tag"
    at = run("costs", by="Service", tag="costcenter", tagged=["nobody"])
    assert "tagged: nobody" in at.warning[0].value


def test_a_slice_of_a_tag_is_followed_to_its_charges(shared: Database) -> None:
    address = {
        "of_tag": ["costcenter"],
        "of_tagged": ["r&d"],
        "of_dates": [str(MONTH.first), str(MONTH.last)],
    }
    at = run("trace", **address)
    assert not at.exception and not at.error and not at.warning
    assert metric(at, "Billed cost") == formats.exact(of_service(shared, "B", "C"), "USD")
    charges = sql(
        shared,
        "select count(*) from marts.fct_charges where service_name in ('Service B', 'Service C')"
        " and billing_currency = 'USD' and usage_date between %s and %s",
        *(MONTH.first, MONTH.last),
    )
    assert metric(at, "Charges") == f"{charges:,}"
    said = " ".join(each.value for each in at.caption)
    assert said.count("exactly the figure") == 1 and "exactly delivery" in said
    assert "please report" not in said


def test_costs_by_who_bears_them_are_all_costs(shared: Database) -> None:
    for label, wanted in (
        ("Team", {"shop": "B", "data": "C", "Unallocated": "ADEFGHIJK"}),
        ("Cost center", {"100": "B", "Unallocated": "ACDEFGHIJK"}),
        ("Environment", {"Unallocated": "ABCDEFGHIJK"}),
    ):
        at = run("costs", by=label)
        assert not at.exception and not at.error
        assert costs(at, label) == {
            name: of_service(shared, *letters) for name, letters in wanted.items()
        }
    at = run("costs", by="Service", team=["shop"])
    assert costs(at, "Service") == {"Service B": of_service(shared, "B")}
    assert any("no charges stand behind" in each.value for each in at.caption)
    assert "Follow this number" not in [each.proto.label for each in at.get("page_link")]
    at = run("costs", by="Team")
    assert "Follow this number" in [each.proto.label for each in at.get("page_link")]


bearers = st.lists(
    st.sampled_from(("team", "cost_center", "environment", "account", "provider")), unique=True
)
bearing = st.builds(
    CostQuery,
    st.integers(-5, 70).map(lambda day: DayRange(DAYS.first, DAYS.first + timedelta(days=day + 5))),
    st.sampled_from(("USD", "EUR")),
    st.sampled_from(("billed", "effective", "list", "contracted")),
    bearers.map(tuple),
    st.sampled_from((None, "day", "week", "month")),
    st.sampled_from(
        (
            (),
            (("team", ("shop", "Unallocated")),),
            (("cost_center", ("100",)), ("provider", ("Acme",))),
        )
    ),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(query=bearing)
def test_sums_by_who_bears_costs_answer_as_the_allocated_costs_do(
    shared: Database, query: CostQuery
) -> None:
    statement = compile_costs(query)
    if {*query.group_by, *dict(query.filters)} & {"team", "cost_center", "environment"}:
        assert "fct_team_costs" in statement.sql and statement.by_day
        assert ask(statement) == ask(statement.by_day)
    members = compile_members("team", "USD")
    assert members.by_day and ask(members) == ask(members.by_day)


def test_tags_and_teams_at_once_are_a_sentence(shared: Database) -> None:
    at = run("costs", by="Tag", tag="env", team=["shop"])
    assert not at.exception
    assert "cannot be asked at once" in at.error[0].value
    at.button(key="chip_team").click().run()
    assert not at.error
    with pytest.raises(ConfigError, match="at once"):
        compile_costs(CostQuery(DAYS, "USD", group_by=("team", "tag")))


def test_what_is_apart_is_named_whatever_it_costs() -> None:
    rows = [{"g": f"g{n:02}", "cost": Decimal(100 - n)} for n in range(12)]
    rows.append({"g": "Untagged", "cost": Decimal(1)})
    groups = tables.compare("g", rows, None)
    assert tables.named(groups, "Untagged") == [*(f"g{n:02}" for n in range(7)), "Untagged"]
    assert tables.named(groups) == [f"g{n:02}" for n in range(8)]


def test_a_tag_is_bound_and_the_export_names_it(shared: Database) -> None:
    attack = "x' or '1'='1"
    query = CostQuery(MONTH, "USD", group_by=("tag",), tag=Tag("x", (attack,)))
    assert attack not in compile_costs(query).sql
    assert {row["tag"] for row in ask(compile_costs(query))} == {"Untagged"}
    assert query.label_of("tag") == "Tag x" and DIMENSIONS["tag"].missing == "Untagged"
