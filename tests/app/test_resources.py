"""The Resources page: counts, costs and pages as the marts say; filters in the URL; its drawer."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.components import formats
from app.queries import resources
from app.queries.export import resources_csv
from app.queries.resources import FACETS, ORDERS, STATUSES, ResourceQuery
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import THROUGH, ask, forget
from tests.app.test_pages import metric, run, total
from tests.app.test_queries import ATTACKS

WEEKS = DayRange(THROUGH - timedelta(days=27), THROUGH)
USD = ResourceQuery(WEEKS, "USD")


def found(query: ResourceQuery) -> dict[str, Any]:
    [row] = ask(resources.compile_found(query))
    return row


def with_(**more: Any) -> ResourceQuery:
    return ResourceQuery(WEEKS, "USD", **more)


def listed(at: AppTest) -> Any:
    return next(each.value for each in at.dataframe if "Resource" in each.value)


def sql(database: Database, query: str) -> Any:
    with database.connect("operator") as conn:
        row = conn.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_values_are_bound_and_names_are_those_listed() -> None:
    for attack in ATTACKS:
        query = with_(words=(attack,), tag_keys=(attack,), filters=(("type", (attack,)),))
        statement = resources.compile_page(query, 1)
        assert attack not in statement.sql
        assert list(dict(statement.parameters)["tag_keys"]) == [attack]
    for broken in ({"filters": (("state", ("x",)),)}, {"status": "true"}, {"order": "1; drop"}):
        with pytest.raises(KeyError):
            resources.compile_page(with_(**broken), 1)
    assert resources.like("100%_\\") == "%100\\%\\_\\\\%"


@pytest.mark.integration
def test_attacks_find_nothing_and_wildcards_are_letters(marts: Database) -> None:
    for attack in ATTACKS:
        assert found(with_(words=(attack,)))["resources"] == 0
        assert found(with_(tag_keys=(attack,)))["resources"] == 0
    assert found(with_(words=("_05",)))["resources"] == 4  # web_050 to web_053, not i-005
    assert found(with_(words=("%",)))["resources"] == 0
    assert found(with_(words=("%",), status="All"))["resources"] == 1


@pytest.mark.integration
def test_each_status_counts_what_it_says(marts: Database) -> None:
    counts = {name: found(with_(status=name))["resources"] for name in STATUSES}
    # Without owner: the 27 machines whose owner tag is empty, and the volume without tags.
    assert counts == {"Active": 57, "Idle": 1, "New": 1, "No owner": 28, "Gone": 1, "All": 58}
    [row] = ask(resources.compile_summary(with_(status="Gone")))
    assert (row["active"], row["idle"], row["fresh"], row["unowned"], row["gone"]) == (
        *(57, 1, 1, 28, 1),
    )
    assert (row["accounts"], row["types"], row["last_day"]) == (2, 3, THROUGH)
    assert row["idle_cost"] is None  # the bill names no cost of the volume: not 0


@pytest.mark.integration
def test_filters_meet_what_they_name(marts: Database) -> None:
    cases: list[tuple[dict[str, Any], int]] = [
        ({"filters": (("type", ("ec2:instance",)), ("region", ("eu-1",)))}, 55),
        ({"filters": (("region", ("Global",)),)}, 1),
        ({"filters": (("account", ("beta",)),)}, 1),
        ({"filters": (("provider", ("Acme",)),)}, 56),
        ({"tag_keys": ("env",)}, 27),
        ({"tag_keys": ("env", "team")}, 0),
        ({"words": ("SHOP", "web")}, 27),  # a tag's value and a name, in any case
    ]
    for more, expected in cases:
        assert found(with_(**more))["resources"] == expected, more
    for key in FACETS:
        for row in ask(resources.compile_members(key)):
            assert found(with_(filters=((key, (row["member"],)),), status="All"))["resources"] > 0


@pytest.mark.integration
@pytest.mark.parametrize("order", ORDERS)
def test_pages_hold_every_row_once_in_any_order(marts: Database, order: str) -> None:
    query = with_(order=order, status="All")
    pages = [ask(resources.compile_page(query, number)) for number in (1, 2, 3)]
    assert [len(page) for page in pages] == [50, 8, 0]
    ids = [(row["account_id"], row["resource_id"]) for page in pages for row in page]
    assert len(set(ids)) == 58
    if order == "Cost":
        assert {row["resource_id"] for row in pages[0][:2]} == {"i-001", "i-shared"}


@pytest.mark.integration
def test_cost_meets_the_resource_also_on_another_accounts_bill(marts: Database) -> None:
    by_id = {row["resource_id"]: row for row in ask(resources.compile_page(USD, 1))}
    of = (
        "select sum(billed_cost) from marts.fct_charges where resource_id = '{}'"
        f" and billing_currency = 'USD' and usage_date between '{WEEKS.first}' and '{WEEKS.last}'"
    )
    for name, account in (("i-001", "acme"), ("i-shared", "beta")):
        expected = sql(marts, of.format(name))
        assert by_id[name]["cost"] == expected > 0
        assert by_id[name]["account_id"] == account
        days = ask(resources.compile_costs_of(USD, account, name))
        assert sum(row["cost"] for row in days) == expected
        assert len(days) == len(WEEKS)
    assert by_id["i-002"]["cost"] is None
    assert ask(resources.compile_costs_of(USD, "acme", "i-002")) == []


@pytest.mark.integration
@pytest.mark.parametrize(("currency", "basis"), [("USD", "billed"), ("EUR", "list")])
def test_what_belongs_to_resources_and_what_does_not_is_the_whole_bill(
    marts: Database, currency: str, basis: Any
) -> None:
    rows = ask(resources.compile_attribution(ResourceQuery(WEEKS, currency, basis)))
    assert [row["is_total"] for row in rows] == [False, True]
    expected = total(marts, currency, WEEKS.first, WEEKS.last)
    for row in rows:
        assert row["in_inventory"] + row["elsewhere"] + row["without"] == row["cost"] == expected
        assert min(row["in_inventory"], row["elsewhere"], row["without"]) > 0
        assert row["named_percent"] == pytest.approx(
            100 * (row["in_inventory"] + row["elsewhere"]) / expected
        )
    other = ResourceQuery(WEEKS, currency, filters=(("account", ("nobody",)),))
    assert ask(resources.compile_attribution(other)) == []


@pytest.mark.integration
def test_costs_by_resource_are_the_daily_costs_to_the_last_decimal(marts: Database) -> None:
    sums = (
        "select md5(string_agg(t::text, ',' order by t::text)) from (select account_id, usage_date,"
        " service_name, billing_currency, trim_scale(sum(list_cost)),"
        " trim_scale(sum(contracted_cost)), trim_scale(sum(effective_cost)),"
        " trim_scale(sum(billed_cost)), sum(charges) from marts.{} group by 1, 2, 3, 4) as t"
    )
    assert sql(marts, sums.format("fct_daily_resource_costs")) == sql(
        marts, sums.format("fct_daily_costs")
    )
    assert sql(marts, "select count(*) from marts.fct_daily_resource_costs") > 0


@pytest.mark.integration
def test_the_page_shows_cards_rows_and_the_whole_bill(marts: Database) -> None:
    at = run("resources")
    assert not at.exception and not at.error
    labels = ("Active", "New in 7 days", "Idle", "Without owner tag", "Providers")
    assert [metric(at, label) for label in labels] == ["57", "1", "1", "28", "2"]
    rows = listed(at)
    assert len(rows) == 50
    assert list(rows["Notes"].iloc[0]) in ([], ["No owner"])
    types = next(each.value for each in at.dataframe if "Resources" in each.value)
    assert dict(zip(types["Type"], types["Resources"], strict=True)) == {
        **{"ec2:instance": 55, "ec2:volume": 1, "s3:bucket": 1}
    }
    whole = formats.money(total(marts, "USD", WEEKS.first, WEEKS.last), "USD")
    assert any(whole in each.value for each in at.caption)
    assert any("1-50 of 57 resources" in each.value for each in at.caption)


@pytest.mark.integration
def test_filters_and_the_page_come_from_the_url(marts: Database) -> None:
    at = run("resources", status="All", page="2")
    assert any("51-58 of 58 resources" in each.value for each in at.caption)
    assert len(listed(at)) == 8
    at = run("resources", q="web_00", tag="env", region="eu-1", type="ec2:instance", sort="Name")
    assert not at.exception and not at.warning
    assert list(listed(at)["Resource"]) == [f"web_00{n}" for n in (0, 2, 4, 6, 8)]
    at.segmented_control(key="status").set_value("Idle").run()
    assert "No resource matches" in at.info[0].value
    next(each for each in at.button if each.label == "Reset filters").click().run()
    assert any("1-50 of 57 resources" in each.value for each in at.caption)
    assert "q" not in at.query_params and "tag" not in at.query_params


@pytest.mark.integration
def test_a_choice_made_on_a_later_page_begins_at_the_first(marts: Database) -> None:
    at = run("resources", page="2")
    assert any("51-57 of 57 resources" in each.value for each in at.caption)
    at.selectbox(key="sort").set_value("Name").run()
    assert any("1-50 of 57 resources" in each.value for each in at.caption)


@pytest.mark.integration
def test_what_the_link_names_and_is_not_there_is_said(marts: Database) -> None:
    at = run("resources", status="Nonsense", region="mars", resource="acme/i-404")
    assert not at.exception
    said = at.warning[0].value
    assert "status: Nonsense" in said and "region: mars" in said and "i\\-404" not in said
    assert metric(at, "Active") == "57"


@pytest.mark.integration
def test_the_drawer_of_the_address_has_all_that_is_known(marts: Database) -> None:
    at = run("resources", resource="acme/i-001")
    assert not at.exception and not at.error
    of = (
        "select sum(billed_cost) from marts.fct_charges where resource_id = 'i-001'"
        f" and billing_currency = 'USD' and usage_date between '{WEEKS.first}' and '{WEEKS.last}'"
    )
    costs = [each.value for each in at.metric if each.label.startswith("Cost, ")]
    assert costs == [formats.exact(sql(marts, of), "USD")]
    pairs = [table.value for table in at.table if len(table.value.columns) == 2]
    facts = {key: value for pair in pairs for key, value in pair.itertuples(index=False)}
    assert facts["Id"] == "i-001" and facts["Team"] == "shop"
    assert facts["Instance type"] == "m6i.large"
    assert {"First seen", "Last seen", "Delivery"} <= set(facts)
    quiet = run("resources", resource="acme/vol-1")
    assert any("names no cost of this resource" in each.value for each in quiet.caption)


@pytest.mark.integration
def test_the_export_has_every_row_and_no_formula(marts: Database) -> None:
    rows = ask(resources.compile_export(with_(status="All")))
    columns = ("resource_id", "resource_name", "tags", "size_gb", "is_idle")
    lines = list(
        csv.DictReader(io.StringIO(resources_csv(rows, columns, "USD", "28 days").decode()))
    )
    assert len(lines) == 58
    by_id = {line["resource_id"]: line for line in lines}
    assert by_id["vol-1"]["resource_name"] == "'=1+1"
    assert by_id["vol-1"]["size_gb"] == "500" and by_id["vol-1"]["cost 28 days"] == ""
    assert by_id["i-001"]["tags"] == '{"Team": "shop"}'
    assert (
        sum(Decimal(line["cost 28 days"] or 0) for line in lines)
        == found(with_(status="All"))["cost"]
    )


@pytest.mark.integration
def test_without_costs_and_without_inventories_it_says_how_to_begin(empty: Database) -> None:
    at = run("resources")
    assert not at.exception
    assert "No costs have been ingested yet" in at.info[0].value


@pytest.mark.integration
def test_costs_without_inventories_say_how_to_take_one(
    marts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute("create table staging.kept as table marts.dim_resources")
        conn.execute("truncate marts.dim_resources")
    forget()
    try:
        at: AppTest = run("resources")
        assert not at.exception
        assert "No inventory has been taken yet" in at.info[0].value
        assert any("in all" in each.value for each in at.caption)  # costs still stand
    finally:
        with marts.connect("dbt", autocommit=True) as conn:
            conn.execute("insert into marts.dim_resources table staging.kept")
            conn.execute("drop table staging.kept")
        forget()


@pytest.mark.integration
def test_a_database_that_does_not_answer_is_a_plain_sentence(
    marts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute("alter table marts.dim_resources rename to dim_resources_away")
    forget()
    try:
        at = run("resources")
        assert not at.exception
        assert "The resources cannot be shown" in at.error[0].value
        assert "dim_resources" not in at.error[0].value
    finally:
        with marts.connect("dbt", autocommit=True) as conn:
            conn.execute("alter table marts.dim_resources_away rename to dim_resources")
        forget()
