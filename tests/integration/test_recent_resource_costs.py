"""Costs by resource: a window per end of an account's data, each the whole bill of its days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.queries import resources
from astraeus_pipeline.contracts import AWS_RESOURCES, FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import Warehouse, warehouse

pytestmark = pytest.mark.integration

LAST = date(2026, 10, 31)
# Where each account's data end: two newest, one a little late, one long silent.
ENDS = {"payer": LAST, "other": LAST, "late": date(2026, 10, 28), "silent": date(2026, 9, 30)}
FIRST = date(2026, 8, 20)
RULE = "recent_resource_costs_equal_daily_costs"


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        with made.database.connect("admin", autocommit=True) as conn:
            for account in ENDS:
                conn.execute(
                    "insert into app.accounts (slug, provider, name) values (%s, 'focus', %s)",
                    [account, account.title()],
                )
        for account, last in ENDS.items():
            bill(made, account, DayRange(FIRST, last))
        # The machine of sub account m-1 stands in its own inventory and in the payer's.
        inventory(made, "payer", "m-1", ["i-1", "i-2"])
        inventory(made, "member", "m-1", ["i-1"])
        made.dbt("seed")
        made.build("--select", "+fct_recent_resource_costs", "fct_costs_by_dimension")
        yield made


def bill(marts: Warehouse, account: str, days: DayRange) -> None:
    """Deliver a day's cost of a machine, of one that no inventory has, and of no resource."""
    charges = [
        charge(
            day,
            f"{cost}.000000000001",
            service_name=f"Service {number % 2}",
            resource_id=resource_id,
            sub_account_id="m-1" if account == "payer" else None,
        )
        for day in days
        for number, (resource_id, cost) in enumerate(
            [("i-1", 1), ("i-1", 2), ("i-2", 4), ("x-1", 8), (None, 16)]
        )
    ]
    with marts.database.connect("loader", autocommit=True) as conn:
        told = fetched(days, account, complete_through=days.last)
        stored = payload(f"bill of {account}")
        result = load(
            conn, FOCUS_COSTS, told, stored, lambda: [batch(charges)], LoadOptions(LAST, 3)
        )
    assert result.state == "loaded"


def inventory(marts: Warehouse, account: str, sub_account: str, names: list[str]) -> None:
    """Load what stood in an account on the last day."""
    day = {"usage_date": LAST, "billing_period": LAST.replace(day=1)}
    items: list[dict[str, Any]] = [
        {**day, "resource_id": name, "resource_type": "machine", "owner_account_id": sub_account}
        for name in names
    ]
    rows = batch(items, table=AWS_RESOURCES)
    told = replace(
        fetched(DayRange(LAST, LAST), account, complete_through=LAST), dataset="resources"
    )
    stored = payload(f"inventory of {account}")
    with marts.database.connect("loader", autocommit=True) as conn:
        result = load(conn, AWS_RESOURCES, told, stored, lambda: [rows], LoadOptions(LAST, 3))
    assert result.state == "loaded"


def test_there_is_a_window_for_every_end_of_an_accounts_data(marts: Warehouse) -> None:
    kept = [
        {"first_day": first, "last_day": last} for first, last in marts.ask(resources.WINDOWS.sql)
    ]
    assert [(row["first_day"], row["last_day"]) for row in kept] == [
        (last - timedelta(days=27), last) for last in sorted(set(ENDS.values()))
    ]
    for through, last in (
        *((LAST, LAST), (LAST + timedelta(days=9), LAST)),
        *((date(2026, 10, 30), ENDS["late"]), (date(2026, 1, 1), ENDS["silent"])),
    ):
        assert resources.window(kept, through) == DayRange(last - timedelta(days=27), last)
    assert resources.window([], LAST) == DayRange(LAST, LAST)


def test_a_window_is_the_whole_bill_of_the_accounts_that_may_meet_it(marts: Warehouse) -> None:
    rows = marts.ask(
        "select last_day, account_id, sum(billed_cost) from marts.fct_recent_resource_costs"
        " where not is_repeated group by 1, 2 order by 1, 2"
    )
    day = Decimal("31.000000000005")
    assert rows == [
        # Who is a month ahead never shows it.
        (ENDS["silent"], "silent", 28 * day),
        # To the days that it has; of those ahead by three days as well.
        (ENDS["late"], "late", 28 * day),
        (ENDS["late"], "other", 28 * day),
        (ENDS["late"], "payer", 28 * day),
        (LAST, "late", 25 * day),
        (LAST, "other", 28 * day),
        (LAST, "payer", 28 * day),
    ]
    assert marts.dbt("test", "--select", RULE)[RULE] == "pass"


def test_a_cost_stands_beside_the_resource_of_each_inventory_and_counts_once(
    marts: Warehouse,
) -> None:
    rows = marts.ask(
        "select inventory_account_id, resource_id, place, is_repeated, billed_cost"
        f" from marts.fct_recent_resource_costs where account_id = 'payer' and last_day = '{LAST}'"
        " order by 3, 2, 1"
    )
    assert [(*row[:4], row[4] / 28) for row in rows] == [
        (None, None, "elsewhere", False, Decimal("8.000000000001")),
        ("member", "i-1", "in_inventory", False, Decimal("3.000000000002")),
        ("payer", "i-1", "in_inventory", True, Decimal("3.000000000002")),
        ("payer", "i-2", "in_inventory", False, Decimal("4.000000000001")),
        (None, None, "without", False, Decimal("16.000000000001")),
    ]
    # The same id in another account, and sub accounts that are not known: nobody's inventory.
    assert marts.ask(
        "select distinct place from marts.fct_recent_resource_costs where account_id = 'other'"
        " order by 1"
    ) == [("elsewhere",), ("without",)]


def test_a_last_decimal_that_is_lost_is_found(marts: Warehouse) -> None:
    for sign in ("+", "-"):
        with marts.database.connect("dbt", autocommit=True) as conn:
            conn.execute(
                f"update marts.fct_recent_resource_costs set billed_cost = billed_cost {sign} 1e-12"
                " where place = 'without' and account_id = 'late'".encode()
            )
        wanted = "fail" if sign == "+" else "pass"
        assert marts.dbt("test", "--select", RULE)[RULE] == wanted
