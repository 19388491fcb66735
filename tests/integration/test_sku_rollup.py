"""Sums by article and period follow the daily costs, also where days change, move and go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal

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
MARTS = ("fct_sku_costs", "fct_total_sku_costs")
BUILT = ("int_raw_reconciliations", "fct_charges", "fct_daily_sku_costs", *MARTS)
RULES = ("sku_periods_equal_daily_costs", "total_sku_costs_equal_sku_costs")


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        for account in ("acme", "other"):
            deliver(made, account, {day: f"{day.day}.000000000001" for day in DAYS})
        made.dbt("seed")
        made.build("--select", f"+{MARTS[-1]}")
        yield made


def deliver(marts: Warehouse, account: str, bill: Mapping[date, str | None]) -> None:
    """Deliver days of three articles, each in two regions; or empty ones.

    The second article has no quantity in one region, the third none on the tenth.
    """
    charges = [
        charge(
            day,
            cost,
            sku_id=f"sku-{article}",
            region_id=region,
            billing_currency="EUR" if article == 3 else "USD",
            pricing_unit="Hours",
            pricing_quantity=None
            if (article == 2 and region == "eu-1") or (article == 3 and day.day == 10)
            else Decimal(article),
        )
        for day, cost in bill.items()
        if cost is not None
        for article in (1, 2, 3)
        for region in ("eu-1", None)
    ]
    days = DayRange(min(bill), max(bill))
    with marts.database.connect("loader", autocommit=True) as conn:
        result = load(
            conn,
            FOCUS_COSTS,
            fetched(days, account, complete_through=days.last),
            payload(f"{account} {bill}"),
            lambda: [batch(charges)],
            OPTIONS,
        )
    written = [*result.days("replaced"), *result.days("emptied")]
    assert sorted(written) == sorted(bill)


def rows(marts: Warehouse) -> list[str]:
    """Return all rows of both marts, in one order."""
    return [
        row[0]
        for mart in MARTS
        for row in marts.ask(f"select row::text from marts.{mart} as row order by 1")
    ]


def kept_to(marts: Warehouse) -> dict[str, str]:
    """Return what the two dbt tests say."""
    told = marts.dbt("test", "--select", *RULES)
    return {rule: told[rule] for rule in RULES}


def test_a_quantity_is_of_all_charges_or_of_none(marts: Warehouse) -> None:
    kept = marts.ask(
        "select sku, grain, pricing_quantity::integer, billed_cost::float from marts.fct_sku_costs"
        " where account_id = 'acme' and (grain = 'day' and period_start in"
        " ('2026-09-09', '2026-09-10') or grain = 'month' and period_start = '2026-09-01')"
        " order by 1, 2, period_start"
    )
    assert [row[:3] for row in kept] == [
        *(("sku-1", "day", 2), ("sku-1", "day", 2), ("sku-1", "month", 60)),
        *(("sku-2", "day", None), ("sku-2", "day", None), ("sku-2", "month", None)),
        *(("sku-3", "day", 6), ("sku-3", "day", None), ("sku-3", "month", None)),
    ]
    assert [row[3] for row in kept[:3]] == pytest.approx([18, 20, 2 * sum(range(1, 31))])
    wholes = marts.ask(
        "select count(distinct whole), count(*) from ("
        + " union all ".join(
            "select sum(list_cost + contracted_cost + effective_cost + 7 * billed_cost) as whole"
            f" from marts.{mart} where billing_currency = 'USD' group by grain"
            for mart in MARTS
        )
        + ") as sums"
    )
    assert wholes == [(1, 6)]
    assert kept_to(marts) == dict.fromkeys(RULES, "pass")


def test_a_restated_day_changes_its_week_and_month_alone(marts: Warehouse) -> None:
    before = _versions(marts)
    deliver(marts, "acme", {date(2026, 9, 30): "7"})
    marts.build("--select", *BUILT)
    after = _versions(marts)
    periods = (
        ("day", date(2026, 9, 30)),
        ("week", date(2026, 9, 28)),
        ("month", date(2026, 9, 1)),
    )
    assert {key for key in after if after[key] != before[key]} == {
        *(("acme", *period) for period in periods),
        *(("all", *period) for period in periods),
    }


def test_increments_are_what_a_rebuild_makes(marts: Warehouse) -> None:
    begin = date(2026, 10, 5)
    deliver(marts, "acme", {begin + timedelta(days=n): None if n else "3" for n in range(3)})
    deliver(marts, "other", {DAYS.last + timedelta(days=1): "9"})
    marts.build("--select", *BUILT)
    increments = rows(marts)
    assert kept_to(marts) == dict.fromkeys(RULES, "pass")
    marts.build("--select", *MARTS, "--full-refresh")
    assert rows(marts) == increments


@pytest.mark.parametrize(("mart", "rule"), zip(MARTS, RULES, strict=True))
@pytest.mark.parametrize(
    ("grain", "column"),
    [("day", "billed_cost"), ("week", "pricing_quantity"), ("month", "list_cost")],
)
def test_a_last_decimal_that_is_lost_is_found(
    marts: Warehouse, mart: str, rule: str, grain: str, column: str
) -> None:
    for sign, wanted in (("+", "fail"), ("-", "pass")):
        with marts.database.connect("dbt", autocommit=True) as conn:
            conn.execute(
                f"update marts.{mart} set {column} = {column} {sign} 1e-12"
                f" where grain = '{grain}' and sku = 'sku-1'".encode()
            )
        assert marts.dbt("test", "--select", rule)[rule] == wanted


def _versions(marts: Warehouse) -> dict[tuple[str, str, date], str]:
    found = marts.ask(
        "select account_id, grain, period_start, string_agg(distinct xmin::text, ' ')"
        " from marts.fct_sku_costs group by 1, 2, 3"
        " union all select 'all', grain, period_start, string_agg(distinct xmin::text, ' ')"
        " from marts.fct_total_sku_costs group by 1, 2, 3",
        "dbt",
    )
    return {(account, grain, start): versions for account, grain, start, versions in found}
