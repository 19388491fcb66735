"""An increment writes what changed and nothing else, also when a load commits in its middle."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse

pytestmark = pytest.mark.integration

OCTOBER = DayRange.of_month(date(2026, 10, 1))
OPTIONS = LoadOptions(today=TODAY, settle_days=3)
FACTS = ("fct_charges", "fct_daily_costs")


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
    marts.build("--select", *FACTS)
    for mart in FACTS:
        after = versions(mart)
        assert [day for day in after if after[day] != before[mart][day]] == [changed], mart
    assert_as_loaded(marts)


def test_a_load_that_commits_inside_a_build_is_found_by_the_next(marts: Warehouse) -> None:
    """The build has listed what changed and waits; days are loaded; the next build heals both."""
    listed, unlisted = OCTOBER.first + timedelta(days=6), OCTOBER.last + timedelta(days=3)
    deliver(marts, "listed", {listed: ["70", "1"]})
    outcomes: list[dict[str, str]] = []
    builder = threading.Thread(target=lambda: outcomes.append(marts.dbt("run", "--select", *FACTS)))
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
    marts.build("--select", *FACTS)
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
