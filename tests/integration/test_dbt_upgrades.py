"""A version whose marts have other columns builds over the marts of the one before."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse

pytestmark = pytest.mark.integration

DAYS = DayRange(date(2026, 10, 1), date(2026, 10, 3))
# One reads its own standing rows by the column that is new, one feeds it.
MARTS = ("fct_daily_costs", "fct_costs_by_dimension")


def rows(made: Warehouse, mart: str) -> list[Any]:
    order = "select to_jsonb(each)::text from marts.{} as each order by 1"
    return made.ask(order.format(mart), "dbt")


def columns(made: Warehouse, mart: str) -> set[str]:
    found = made.ask(
        "select attname from pg_attribute where attnum > 0 and not attisdropped"
        f" and attrelid = 'marts.{mart}'::regclass",
        "dbt",
    )
    return {row[0] for row in found}


def test_a_mart_with_other_columns_is_made_anew_and_those_that_are_right_stay(
    module_database: Database, tmp_path: Path
) -> None:
    with warehouse(module_database, tmp_path) as made:
        with made.database.connect("loader", autocommit=True) as conn:
            charges = [charge(day, f"{day.day}.000000000001") for day in DAYS]
            options = LoadOptions(today=TODAY, settle_days=3)
            load(conn, FOCUS_COSTS, fetched(DAYS), payload("x"), lambda: [batch(charges)], options)
        made.dbt("seed")
        made.build("--select", "+fct_costs_by_dimension")
        right = {mart: (rows(made, mart), columns(made, mart)) for mart in MARTS}
        assert all(some for some, _ in right.values())

        with made.database.connect("dbt", autocommit=True) as conn:
            # As the version before had made them: it knew no category, and one thing more.
            conn.execute("alter table marts.fct_costs_by_dimension drop column service_category")
            conn.execute("alter table marts.fct_daily_costs add column former text")
            for mart in MARTS:
                conn.execute(f"comment on table marts.{mart} is 'another version'".encode())
            conn.execute("update intermediate.built_slices set logic = 'another version'")
            oid = "select 'marts.fct_charges'::regclass::oid"
            charges_before = conn.execute(oid).fetchone()
        done = made.invoke("run", "--select", "fct_charges", *MARTS)
        assert {each.node.name: each.message for each in done if each.status != "success"} == {}
        assert {mart: (rows(made, mart), columns(made, mart)) for mart in MARTS} == right
        assert made.ask("select 'marts.fct_charges'::regclass::oid", "dbt") == [charges_before]
