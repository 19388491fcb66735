"""Sums by dimension and period follow the daily costs, also where days change, move and go."""

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
BUILT = (
    *("int_raw_reconciliations", "fct_charges", "fct_daily_costs"),
    *("fct_costs_by_dimension", "fct_total_costs_by_dimension", "fct_monthly_costs"),
)
ROWS = (
    "select row::text from marts.fct_costs_by_dimension as row"
    " order by grain, dimension, member, account_id, billing_currency, is_final, period_start"
)
RULE = "dimension_costs_equal_daily_costs"
TOTALS = (
    "select row::text from ({}) as row"
    " order by grain, dimension, member, billing_currency, is_final, period_start"
)
KEPT_TOTALS = TOTALS.format(
    "select grain, dimension, member, service_category, billing_currency, is_final, period_start,"
    " list_cost, contracted_cost, effective_cost, billed_cost, charges"
    " from marts.fct_total_costs_by_dimension"
)
# Summed from rows of days, which RULE holds to the daily costs.
SUMMED_TOTALS = TOTALS.format(
    "select grains.grain, dimension, member, service_category, billing_currency, is_final,"
    " date_trunc(grains.grain, costs.period_start)::date as period_start,"
    " sum(list_cost) as list_cost, sum(contracted_cost) as contracted_cost,"
    " sum(effective_cost) as effective_cost, sum(billed_cost) as billed_cost,"
    " sum(charges)::bigint as charges from marts.fct_costs_by_dimension as costs"
    " cross join (values ('day'), ('week'), ('month')) as grains (grain)"
    " where costs.grain = 'day' group by 1, 2, 3, 4, 5, 6, 7"
)
TOTALS_RULE = "total_costs_equal_dimension_costs"
MONTHS = "select row::text from marts.fct_monthly_costs as row order by 1"
MONTHS_RULE = "monthly_costs_equal_daily_costs"


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        for account in ("acme", "other"):
            deliver(made, account, {day: f"{day.day}.000000000001" for day in DAYS})
        made.dbt("seed")
        made.build("--select", "+fct_total_costs_by_dimension", "fct_monthly_costs")
        yield made


def deliver(marts: Warehouse, account: str, bill: dict[date, str | None]) -> None:
    """Deliver days of two services, two regions and two currencies; None for an empty day."""
    charges = [
        charge(
            day,
            cost,
            service_name=f"Service {number}",
            region_id=None if number else "eu-1",
            billing_currency="EUR" if number == 2 else "USD",
            invoice_id="INV" if day.month < 10 else None,
        )
        for day, cost in bill.items()
        if cost is not None
        for number in range(3)
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


def test_a_changed_day_changes_its_week_and_month_alone(marts: Warehouse) -> None:
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
    months = marts.ask(MONTHS)
    ruled = marts.dbt("test", "--select", RULE, MONTHS_RULE)
    assert ruled[RULE] == ruled[MONTHS_RULE] == "pass"
    marts.build("--select", "fct_costs_by_dimension", "fct_monthly_costs", "--full-refresh")
    assert marts.ask(ROWS) == increments
    assert marts.ask(MONTHS) == months != []
    assert len(marts.ask("select from marts.fct_costs_by_dimension where is_final")) > 0


def test_totals_follow_a_day_of_one_account_and_a_slice_that_vanishes(marts: Warehouse) -> None:
    marts.build("--select", *BUILT)
    day, gone = date(2026, 9, 16), date(2026, 9, 23)
    before = _versions_of_totals(marts)
    deliver(marts, "acme", {day: "7.000000000003"})
    marts.build("--select", *BUILT)
    restated = _versions_of_totals(marts)
    assert {key for key in restated if restated[key] != before[key]} == {
        ("day", day),
        ("week", date(2026, 9, 14)),
        ("month", date(2026, 9, 1)),
    }
    assert marts.ask(KEPT_TOTALS) == marts.ask(SUMMED_TOTALS) != []
    # Neither account has anything of this day any more: its totals go, too.
    for account in ("acme", "other"):
        deliver(marts, account, {gone: None})
    with marts.database.connect("admin", autocommit=True) as conn:
        conn.execute("delete from raw.partitions where usage_date = %s", [gone])
    marts.build("--select", *BUILT)
    left = _versions_of_totals(marts)
    assert restated.keys() - left.keys() == {("day", gone)}
    assert marts.ask(KEPT_TOTALS) == marts.ask(SUMMED_TOTALS)
    assert marts.dbt("test", "--select", TOTALS_RULE)[TOTALS_RULE] == "pass"
    increments = marts.ask(KEPT_TOTALS)
    marts.build("--select", "fct_total_costs_by_dimension", "--full-refresh")
    assert marts.ask(KEPT_TOTALS) == increments


@pytest.mark.parametrize(
    "damage", ["update {} set billed_cost = billed_cost + 1e-12", "insert into {} select * from {}"]
)
def test_totals_that_are_off_or_stand_twice_are_found(marts: Warehouse, damage: str) -> None:
    mart = "marts.fct_total_costs_by_dimension"
    row = " where grain = 'month' and dimension = 'region' and member is null"
    with marts.database.connect("dbt", autocommit=True) as conn:
        conn.execute((damage.replace("{}", mart) + row).encode())
    assert marts.dbt("test", "--select", TOTALS_RULE)[TOTALS_RULE] == "fail"
    marts.build("--select", "fct_total_costs_by_dimension", "--full-refresh")
    assert marts.dbt("test", "--select", TOTALS_RULE)[TOTALS_RULE] == "pass"


@pytest.mark.parametrize("grain", ["day", "week", "month"])
def test_a_last_decimal_that_is_lost_is_found(marts: Warehouse, grain: str) -> None:
    for sign in ("+", "-"):
        with marts.database.connect("dbt", autocommit=True) as conn:
            conn.execute(
                f"update marts.fct_costs_by_dimension set billed_cost = billed_cost {sign} 1e-12"
                f" where grain = '{grain}' and dimension = 'region' and member is null"
                " and account_id = 'other' and billing_currency = 'EUR'".encode()
            )
        wanted = "fail" if sign == "+" else "pass"
        assert marts.dbt("test", "--select", RULE)[RULE] == wanted


def _versions(marts: Warehouse) -> dict[tuple[str, str, date], str]:
    rows = marts.ask(
        "select account_id, grain, period_start, string_agg(distinct xmin::text, ' ')"
        " from marts.fct_costs_by_dimension group by 1, 2, 3",
        "dbt",
    )
    return {(account, grain, start): versions for account, grain, start, versions in rows}


def _versions_of_totals(marts: Warehouse) -> dict[tuple[str, date], str]:
    rows = marts.ask(
        "select grain, period_start, string_agg(distinct xmin::text, ' ')"
        " from marts.fct_total_costs_by_dimension group by 1, 2",
        "dbt",
    )
    return {(grain, start): versions for grain, start, versions in rows}
