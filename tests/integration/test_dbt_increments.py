"""An increment writes what changed and nothing else, also when a load commits in its middle."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from astraeus_pipeline.contracts import AWS_RESOURCES, FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse

pytestmark = pytest.mark.integration

OCTOBER = DayRange.of_month(date(2026, 10, 1))
OPTIONS = LoadOptions(today=TODAY, settle_days=3)
FACTS = ("fct_charges", "fct_daily_costs")
# fct_charges takes what has been held against the ledger.
BUILT = ("int_raw_reconciliations", *FACTS)


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        deliver(made, "october", {day: [f"{day.day}.000000000001", "1"] for day in OCTOBER})
        made.dbt("seed")
        made.build("--select", "+fct_daily_costs")
        yield made


def deliver(marts: Warehouse, name: str, bill: dict[date, list[str]]) -> None:
    charges = [charge(day, cost) for day, costs in bill.items() for cost in costs]
    with marts.database.connect("loader", autocommit=True) as conn:
        result = load(
            conn,
            FOCUS_COSTS,
            fetched(DayRange(min(bill), max(bill))),
            payload(name),
            lambda: [batch(charges)],
            OPTIONS,
        )
    assert result.days("replaced") == sorted(bill)


def assert_as_loaded(marts: Warehouse) -> None:
    """Both marts say what the raw table says, row for row and sum for sum."""
    by_day = (
        "select account_id, usage_date, {}, sum(billed_cost) from {} group by 1, 2 order by 1, 2"
    )
    raw = marts.ask(by_day.format("count(*)", "raw.focus_costs"), "dbt")
    assert marts.ask(by_day.format("count(*)", "marts.fct_charges")) == raw
    assert marts.ask(by_day.format("sum(charges)::bigint", "marts.fct_daily_costs")) == raw


def test_only_the_changed_day_is_written_again(marts: Warehouse) -> None:
    def versions(mart: str) -> dict[date, str]:
        return dict(
            marts.ask(
                "select usage_date, string_agg(distinct xmin::text, ' ')"
                f" from marts.{mart} group by 1",
                "dbt",
            )
        )

    before = {mart: versions(mart) for mart in FACTS}
    changed = OCTOBER.first + timedelta(days=4)
    deliver(marts, "one day", {changed: ["6", "7"]})
    marts.build("--select", *BUILT)
    for mart in FACTS:
        after = versions(mart)
        assert [day for day in after if after[day] != before[mart][day]] == [changed], mart
    assert_as_loaded(marts)


def test_a_load_that_commits_inside_a_build_is_found_by_the_next(marts: Warehouse) -> None:
    """The build has listed what changed and waits; days are loaded; the next build heals both."""
    listed, unlisted = OCTOBER.first + timedelta(days=6), OCTOBER.last + timedelta(days=3)
    deliver(marts, "listed", {listed: ["70", "1"]})
    outcomes: list[dict[str, str]] = []
    builder = threading.Thread(target=lambda: outcomes.append(marts.dbt("run", "--select", *BUILT)))
    with marts.database.connect("admin") as conn:
        # fct_charges joins this table, after it has found what changed.
        conn.execute("lock table intermediate.service_categories in access exclusive mode")
        builder.start()
        _wait_for_lock(conn)
        deliver(marts, "listed again", {listed: ["71", "2"]})
        deliver(marts, "unlisted", {unlisted: ["71", "2"]})
        conn.rollback()
    builder.join(120)
    assert set(outcomes[0].values()) == {"success"}
    marts.build("--select", *BUILT)
    billed = dict(
        marts.ask("select usage_date, sum(billed_cost) from marts.fct_daily_costs group by 1")
    )
    assert billed[listed] == billed[unlisted] == Decimal(73)
    assert_as_loaded(marts)


def _wait_for_lock(conn: psycopg.Connection[Any]) -> None:
    waiting = (
        "select count(*) from pg_locks where not granted"
        " and relation = 'intermediate.service_categories'::regclass"
    )
    for _ in range(600):
        if conn.execute(waiting).fetchone() != (0,):
            return
        time.sleep(0.1)
    raise AssertionError("dbt never reached the lock")


def take_inventory(marts: Warehouse, day: date, sizes: dict[str, str]) -> None:
    """Load what stood on a day: resource ids with their instance types."""
    items = [
        {
            "usage_date": day,
            "billing_period": day.replace(day=1),
            "resource_id": name,
            "resource_type": "ec2:instance",
            "instance_type": size,
        }
        for name, size in sizes.items()
    ]
    days = DayRange(day, day)
    description = replace(fetched(days, "cloud", complete_through=day), dataset="resources")
    with marts.database.connect("loader", autocommit=True) as conn:
        stored = payload(f"inventory {day} {sizes}")
        rows = batch(items, table=AWS_RESOURCES)
        load(conn, AWS_RESOURCES, description, stored, lambda: [rows], OPTIONS)


def test_resources_follow_their_inventories(marts: Warehouse) -> None:
    """New days, a day taken again, an older day, an empty one: always as a rebuild would say."""
    resources = "select resource_id, instance_type, first_seen, last_seen, is_active from"
    first, second, third = (date(2026, 11, day) for day in (10, 12, 13))
    inventories: list[tuple[date, dict[str, str], set[str]]] = [
        (second, {"i-1": "small", "i-2": "small"}, {"i-1", "i-2"}),
        (third, {"i-2": "large", "i-3": "small"}, {"i-2", "i-3"}),
        (third, {"i-2": "large"}, {"i-2"}),
        (first, {"i-0": "small", "i-1": "tiny"}, {"i-2"}),
        (third + timedelta(days=1), {}, set()),
    ]
    for day, sizes, active in inventories:
        take_inventory(marts, day, sizes)
        marts.build("--select", "+dim_resources")
        found = marts.ask(f"{resources} marts.dim_resources order by 1")
        assert {row[0] for row in found if row[4]} == active, (day, found)
        marts.build("--select", "dim_resources", "--full-refresh")
        assert marts.ask(f"{resources} marts.dim_resources order by 1") == found
    assert found == [
        ("i-0", "small", first, first, False),
        ("i-1", "small", first, second, False),
        ("i-2", "large", second, third, False),
    ]
