"""Sums by resource and period follow the daily costs, also where days change, move and go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import Warehouse, warehouse

pytestmark = pytest.mark.integration

DAYS = DayRange(date(2026, 8, 20), date(2026, 10, 31))
# Days that have not settled may shrink.
OPTIONS = LoadOptions(today=DAYS.first, settle_days=3)
MART = "fct_resource_costs"
DAILY = "fct_daily_resource_costs"
BUILT = ("int_raw_reconciliations", "fct_charges", DAILY, MART)
ROWS = (
    "select row::text from marts.fct_resource_costs as row order by grain, account_id,"
    " sub_account_id, resource_id, billing_currency, period_start"
)
RULE = "resource_periods_equal_daily_costs"


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        for account in ("acme", "other"):
            deliver(made, account, {day: f"{day.day}.000000000001" for day in DAYS})
        made.dbt("seed")
        made.build("--select", f"+{MART}")
        yield made


def deliver(marts: Warehouse, account: str, bill: dict[date, str | None]) -> None:
    """Deliver days of three services on a resource, one on none, in two currencies; or empty."""
    charges = [
        charge(
            day,
            cost,
            service_name=f"Service {number}",
            resource_id="i-1" if number else None,
            sub_account_id="s-1" if number == 1 else None,
            billing_currency="EUR" if number == 3 else "USD",
        )
        for day, cost in bill.items()
        if cost is not None
        for number in range(5)
    ]
    days = DayRange(min(bill), max(bill))
    more: dict[str, Any] = {"complete_through": days.last}
    with marts.database.connect("loader", autocommit=True) as conn:
        result = load(
            conn,
            FOCUS_COSTS,
            fetched(days, account, **more),
            payload(f"{account} {bill}"),
            lambda: [batch(charges)],
            OPTIONS,
        )
    written = [*result.days("replaced"), *result.days("emptied")]
    assert sorted(written) == sorted(bill)


def test_services_are_summed_and_every_grain_is_the_whole_bill(marts: Warehouse) -> None:
    kept = marts.ask(
        "select sub_account_id, resource_id, billing_currency, billed_cost"
        " from marts.fct_resource_costs where account_id = 'acme' and grain = 'day'"
        " and period_start = '2026-09-01' order by 1 nulls last, 2 nulls last, 3"
    )
    assert [(*row[:3], str(row[3].normalize())) for row in kept] == [
        ("s-1", "i-1", "USD", "1.000000000001"),
        (None, "i-1", "EUR", "1.000000000001"),
        (None, "i-1", "USD", "2.000000000002"),
        (None, None, "USD", "1.000000000001"),
    ]
    wholes = marts.ask(
        "select count(distinct whole), count(*) from ("
        "select sum(list_cost + contracted_cost + effective_cost + 7 * billed_cost) as whole"
        " from marts.fct_resource_costs where billing_currency = 'USD' group by grain) as sums"
    )
    assert wholes == [(1, 3)]


def test_a_restated_day_changes_its_week_and_month_alone(marts: Warehouse) -> None:
    before = _versions(marts)
    deliver(marts, "acme", {date(2026, 9, 30): "7"})
    marts.build("--select", *BUILT)
    after = _versions(marts)
    assert {key for key in after if after[key] != before[key]} == {
        ("acme", "day", date(2026, 9, 30)),
        ("acme", "week", date(2026, 9, 28)),
        ("acme", "month", date(2026, 9, 1)),
    }


def test_increments_are_what_a_rebuild_makes(marts: Warehouse) -> None:
    begin = date(2026, 10, 5)
    deliver(marts, "acme", {begin + timedelta(days=n): None if n else "3" for n in range(3)})
    deliver(marts, "other", {DAYS.last + timedelta(days=1): "9"})
    marts.build("--select", *BUILT)
    increments = marts.ask(ROWS)
    assert marts.dbt("test", "--select", RULE)[RULE] == "pass"
    marts.build("--select", MART, "--full-refresh")
    assert marts.ask(ROWS) == increments


def test_a_slice_that_is_gone_takes_its_rows_and_comes_back(marts: Warehouse) -> None:
    whole, gone = marts.ask(ROWS), "account_id = 'other' and usage_date = '2026-11-01'"
    with marts.database.connect("dbt", autocommit=True) as conn:
        conn.execute(f"delete from marts.{DAILY} where {gone}".encode())
        conn.execute(
            f"delete from intermediate.built_slices where model = '{DAILY}' and {gone}".encode()
        )
    before = _versions(marts)
    marts.build("--select", MART)
    # The first of November: its month goes whole, its week keeps the days of October.
    assert set(before) - set(_versions(marts)) == {
        ("other", "day", date(2026, 11, 1)),
        ("other", "month", date(2026, 11, 1)),
    }
    assert marts.dbt("test", "--select", RULE)[RULE] == "pass"
    marts.build("--select", DAILY, MART)
    assert marts.ask(ROWS) == whole


@pytest.mark.parametrize("grain", ["day", "week", "month"])
def test_a_last_decimal_that_is_lost_is_found(marts: Warehouse, grain: str) -> None:
    for sign in ("+", "-"):
        with marts.database.connect("dbt", autocommit=True) as conn:
            conn.execute(
                f"update marts.{MART} set billed_cost = billed_cost {sign} 1e-12 where grain ="
                f" '{grain}' and resource_id is null and account_id = 'other'".encode()
            )
        wanted = "fail" if sign == "+" else "pass"
        assert marts.dbt("test", "--select", RULE)[RULE] == wanted


def _versions(marts: Warehouse) -> dict[tuple[str, str, date], str]:
    rows = marts.ask(
        "select account_id, grain, period_start, string_agg(distinct xmin::text, ' ')"
        " from marts.fct_resource_costs group by 1, 2, 3",
        "dbt",
    )
    return {(account, grain, start): versions for account, grain, start, versions in rows}
