"""Costs to teams by rules: exact to the last decimal, first match, replayed on history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration import sensors
from astraeus_pipeline.warehouse import allocation_rules
from astraeus_pipeline.warehouse.allocation_rules import DIMENSIONS, Rule, parse
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.allocation import COSTS, Charge, any_charge, any_rule, expected, tagged
from tests.fixtures.charges import batch, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse

pytestmark = pytest.mark.integration

OPTIONS: Final = LoadOptions(today=TODAY, settle_days=3)
MODELS: Final = (
    *("int_raw_reconciliations", "fct_charges", "fct_daily_costs", "int_daily_attribute_costs"),
    *("int_charge_attributes", "fct_daily_allocated_costs"),
)
MART: Final = "fct_daily_allocated_costs"
IDENTITY: Final = "allocated_costs_equal_daily_costs"
OCTOBER: Final = DayRange(date(2026, 10, 1), date(2026, 10, 3))
D1: Final = OCTOBER.first


def deliver(marts: Warehouse, account: str, charges: Sequence[Charge], days: DayRange) -> None:
    with marts.database.connect("loader", autocommit=True) as conn:
        stored = payload(f"{account} {days} {charges}")
        result = load(
            conn, FOCUS_COSTS, fetched(days, account), stored, lambda: [batch(charges)], OPTIONS
        )
    assert set(result.days("replaced")) == {each["usage_date"] for each in charges}


def set_rules(marts: Warehouse, *rules: Rule | Mapping[str, Any]) -> list[int]:
    """Let these be all rules; return their ids in the order of dimension and position."""
    parsed = [rule if isinstance(rule, Rule) else parse(rule) for rule in rules]
    with marts.database.connect("app", autocommit=True) as conn:
        allocation_rules.replace_all(conn, parsed, "ann")
        return [each.id for each in allocation_rules.list_rules(conn)]


def build(marts: Warehouse, *models: str) -> None:
    marts.build("--select", *(models or MODELS))
    # dbt's own test, as it was compiled: starting dbt for it takes longer than asking
    compiled = marts.target / "compiled" / "astraeus" / "tests" / f"{IDENTITY}.sql"
    assert marts.ask(compiled.read_text(), "dbt") == []


def bill(day: date) -> list[Charge]:
    return [
        tagged(day, "10.01", {"user:Team": " Shop "}, service_name="Compute"),
        tagged(day, "20.02", {"TEAM": "data", "env": "prod"}, service_name="Compute"),
        tagged(day, "7.07", {"team": ""}, service_name="Storage", resource_id="logs_1"),
        tagged(day, "3.000000000000000001", None, service_name="Support"),
    ]


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        for account in ("acme", "other"):
            deliver(made, account, [each for day in OCTOBER for each in bill(day)], OCTOBER)
        made.dbt("seed")
        made.build("--select", f"+{MART}", "fct_daily_costs")
        assert made.dbt("test", "--select", IDENTITY)[IDENTITY] == "pass"
        yield made


def by_team(marts: Warehouse, account: str = "acme", day: date = D1) -> dict[Any, Decimal]:
    rows = marts.ask(
        f"select team, team_source, sum(billed_cost) from marts.{MART}"
        f" where account_id = '{account}' and usage_date = '{day}' group by 1, 2"
    )
    return {row[:2]: row[2] for row in rows}


BY_TAG: Final = {"dimension": "team", "name": "Tag", "effect": {"tag": "Team"}}


def test_without_rules_everything_is_a_row_of_unallocated_cost(marts: Warehouse) -> None:
    assert by_team(marts) == {(None, "unallocated"): Decimal("40.100000000000000001")}


def test_tags_count_whatever_their_case_and_empty_ones_do_not(marts: Warehouse) -> None:
    set_rules(marts, BY_TAG)
    build(marts, MART)
    assert by_team(marts) == {
        ("shop", "direct"): Decimal("10.01"),
        ("data", "direct"): Decimal("20.02"),
        (None, "unallocated"): Decimal("10.070000000000000001"),
    }


def test_the_first_rule_wins_and_others_take_what_is_left(marts: Warehouse) -> None:
    storage = {"service_name": "stor*", "resource_id": "LOGS_?"}
    rules = (
        {"dimension": "team", "name": "A", "conditions": storage, "effect": {"value": "Platform"}},
        BY_TAG,
        {"dimension": "team", "name": "Rest", "effect": {"value": "rest"}},
        {"dimension": "environment", "name": "Env", "effect": {"tag": "env"}},
    )
    ids = set_rules(marts, *rules)
    build(marts, MART)
    assert by_team(marts) == {
        ("platform", "direct"): Decimal("7.07"),
        ("shop", "direct"): Decimal("10.01"),
        ("data", "direct"): Decimal("20.02"),
        ("rest", "direct"): Decimal("3.000000000000000001"),
    }
    found = marts.ask(
        f"select distinct team, team_rule_id, environment, environment_source from marts.{MART}"
        " where team in ('data', 'platform') order by 1"
    )
    assert found == [
        ("data", ids[1], "prod", "direct"),
        ("platform", ids[0], None, "unallocated"),
    ]
    # moved to the front, the catch-all takes everything
    with marts.database.connect("app", autocommit=True) as conn:
        allocation_rules.move(conn, ids[2], 1, "ann")
    build(marts, MART)
    assert by_team(marts) == {("rest", "direct"): Decimal("40.100000000000000001")}


def test_a_shared_cost_leaves_no_residual(marts: Warehouse) -> None:
    support = {"service_name": "Support"}
    thirds = {"shop": "0.3", "data": "0.3", "ml": "0.4"}
    set_rules(
        marts,
        {"dimension": "team", "name": "S", "conditions": support, "effect": {"shares": thirds}},
        BY_TAG,
    )
    build(marts, MART)
    found = by_team(marts)
    assert found["shop", "shared"] + found["data", "shared"] + found["ml", "shared"] == Decimal(
        "3.000000000000000001"
    )
    assert found["ml", "shared"] == Decimal("1.2")


def test_a_proportional_split_follows_what_all_accounts_cost(marts: Warehouse) -> None:
    split = {
        "dimension": "team",
        "name": "Support",
        "conditions": {"service_name": "Support"},
        "effect": {"proportional_to": "all"},
    }
    set_rules(marts, split, BY_TAG)
    build(marts, MART)
    found = by_team(marts)
    assert abs(found["shop", "shared"] - Decimal(3) * Decimal(1001) / Decimal(3003)) < Decimal(
        "1e-11"
    )
    # another account's day changes: shares of that day change here, too, and of no other day
    before = marts.ask(f"select xmin::text, ctid::text, * from marts.{MART} order by 2", "dbt")
    later = D1 + timedelta(days=1)
    one_day = DayRange(later, later)
    deliver(marts, "other", [*bill(later), tagged(later, "200", {"team": "shop"})], one_day)
    build(marts)
    shop = Decimal("220.02")
    ideal = Decimal(3) * shop / (shop + Decimal("40.04"))
    assert abs(by_team(marts, day=later)["shop", "shared"] - ideal) < Decimal("1e-11")
    after = marts.ask(f"select xmin::text, ctid::text, * from marts.{MART} order by 2", "dbt")
    where = 2 + len(allocated_keys(marts)[: allocated_keys(marts).index("usage_date")])
    assert [row for row in before if row[where] != later] == [
        row for row in after if row[where] != later
    ]
    # nothing to split by: unallocated, and it says whose split it is
    (rule_id,) = set_rules(marts, split)
    build(marts, MART)
    assert by_team(marts) == {(None, "unallocated"): Decimal("40.100000000000000001")}
    undivided = marts.ask(
        f"select service_name, team_rule_id from marts.{MART} where team_rule_id is not null"
        " group by 1, 2"
    )
    assert undivided == [("Support", rule_id)]


def allocated_keys(marts: Warehouse) -> list[str]:
    with marts.database.connect("operator") as conn:
        described = conn.execute(f"select * from marts.{MART} limit 0").description
    assert described is not None
    return [column.name for column in described]


def test_rules_hold_for_their_days(marts: Warehouse) -> None:
    until = {"valid_to": str(D1), "effect": {"value": "old"}}
    since = {"valid_from": str(D1 + timedelta(days=1)), "effect": {"value": "new"}}
    set_rules(
        marts,
        {"dimension": "team", "name": "Before", **until},
        {"dimension": "team", "name": "After", **since},
    )
    build(marts, MART)
    found = marts.ask(f"select distinct usage_date, team from marts.{MART} order by 1")
    assert found == [(day, team) for day, team in zip(OCTOBER, ("old", "new", "new"), strict=True)]


def test_a_build_without_changes_writes_nothing_and_changed_rules_ask_for_one(
    marts: Warehouse,
) -> None:
    set_rules(marts, BY_TAG)
    build(marts, MART)
    with marts.database.connect("dbt", autocommit=True) as conn:
        assert sensors.changed_rules(conn) is None
    before = marts.ask(f"select xmin::text from marts.{MART}", "dbt")
    build(marts)
    assert marts.ask(f"select xmin::text from marts.{MART}", "dbt") == before
    set_rules(marts, BY_TAG, {"dimension": "team", "name": "Rest", "effect": {"value": "rest"}})
    with marts.database.connect("dbt", autocommit=True) as conn:
        assert sensors.changed_rules(conn) is not None
    build(marts, MART)
    with marts.database.connect("dbt", autocommit=True) as conn:
        assert sensors.changed_rules(conn) is None


SUMS: Final = (
    *("fct_daily_team_costs", "fct_team_costs"),
    *("int_tag_costs", "fct_daily_tag_costs", "fct_tag_costs"),
)
BY_TAGS: Final = "tag_periods_equal_daily_tag_costs"
SUMMED: Final = ("team_costs_equal_allocated_costs", "team_periods_equal_daily_costs")


def test_sums_by_who_bears_them_follow_rules_and_bills(marts: Warehouse) -> None:
    def rows() -> list[Any]:
        return marts.ask(
            "select row::text from marts.fct_team_costs as row"
            " order by grain, period_start, account_id, team, cost_center, environment, is_final"
        )

    def assert_summed(wanted: str) -> None:
        found = marts.dbt("test", "--select", *SUMMED, BY_TAGS)
        assert found[BY_TAGS] == "pass"
        assert [found[rule] for rule in SUMMED] == ["pass", wanted]

    set_rules(marts, BY_TAG)
    build(marts, MART)
    marts.build("--select", *SUMS)
    before = rows()
    # other rules, the same deliveries: days, weeks and months move
    set_rules(marts, {"dimension": "team", "name": "All", "effect": {"value": "everybody"}})
    build(marts, MART)
    marts.build("--select", *SUMS)
    assert rows() != before != []
    assert marts.ask("select distinct team from marts.fct_team_costs") == [("everybody",)]
    assert_summed("pass")
    deliver(marts, "acme", [*bill(D1), tagged(D1, "5", None)], DayRange(D1, D1))
    build(marts)
    marts.build("--select", *SUMS)
    increments = rows()
    marts.build("--select", "fct_team_costs", "--full-refresh")
    assert rows() == increments != before
    with marts.database.connect("dbt", autocommit=True) as conn:
        conn.execute(
            "update marts.fct_team_costs set billed_cost = billed_cost + 1e-12"
            " where grain = 'month' and account_id = 'acme'"
        )
    assert_summed("fail")


EXAMPLES: Final = iter(range(1, 60))


@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    suppress_health_check=[*HealthCheck],
    database=None,
)
@given(data=st.data())
def test_any_rules_on_any_charges_sum_to_the_bill(marts: Warehouse, data: st.DataObject) -> None:
    first = date(2026, 1, 1) + timedelta(days=4 * next(EXAMPLES))
    days = DayRange(first, first + timedelta(days=3))
    rows = st.sampled_from([*days]).flatmap(lambda day: any_charge(day))
    bills = {
        account: data.draw(st.lists(rows, min_size=20, max_size=40)) for account in ("a1", "b")
    }
    rules = data.draw(st.lists(any_rule(days), min_size=4, max_size=12))
    for account, charges in bills.items():
        deliver(marts, account, charges, days)
    set_rules(marts, *rules)
    build(marts)
    for dimension in DIMENSIONS:
        wanted = expected(bills, rules, dimension)
        found = {
            tuple(row[:7]): dict(zip(COSTS, row[7:], strict=True))
            for row in marts.ask(
                "select account_id, usage_date, billing_currency, service_name, charge_category,"
                f" {dimension}, {dimension}_source, sum(list_cost), sum(contracted_cost),"
                f" sum(effective_cost), sum(billed_cost) from marts.{MART}"
                f" where usage_date between '{days.first}' and '{days.last}'"
                " group by 1, 2, 3, 4, 5, 6, 7"
            )
        }
        assert set(found) == set(wanted)
        for key, costs in wanted.items():
            for cost, ideal in costs.items():
                error = abs(Fraction(found[key][cost]) - ideal)
                # direct costs exactly, parts up to the rounding of the rows that they stand in
                assert error <= (Fraction(1, 10**8) if key[6] == "shared" else 0), (key, cost)
        total = sum(each["billed_cost"] for charges in bills.values() for each in charges)
        assert sum(each["billed_cost"] for each in found.values()) == total
