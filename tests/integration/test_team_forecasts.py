"""Months of teams, over accounts, by the rules as they stand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.forecasts import METHOD
from astraeus_pipeline.warehouse import allocation_rules, forecast_runs
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.forecast_rows import Summary
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse

pytestmark = pytest.mark.integration

OPTIONS: Final = LoadOptions(today=TODAY, settle_days=3)
FIRST: Final = date(2025, 10, 1)
SETTLED: Final = TODAY - timedelta(days=3)
NOVEMBER: Final = date(2026, 11, 1)
COMING: Final = [date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1)]
MODELS: Final = ("+fct_forecasts", "fct_forecast_errors")
BY_TAG: Final = {"dimension": "team", "name": "Tag", "effect": {"tag": "team"}}
SUPPORT: Final = {
    "dimension": "team",
    "name": "Support",
    "conditions": {"service_name": "support"},
    "effect": {"shares": {"shop": "0.5", "data": "0.5"}},
}


def bill(day: date, account_id: str) -> Iterator[dict[str, Any]]:
    wave = (day.toordinal() * 37) % 11 - 5  # some days more, some less, the same every time
    tags = {team: json.dumps({"Team": team}) for team in ("shop", "data")}
    yield charge(day, str(60 + wave), tags=tags["shop"])
    if account_id == "acme":
        yield charge(day, str(30 - wave), tags=tags["data"])
        yield charge(day, "20", service_name="Storage")
        if day.day == 5:
            yield charge(day, "300", service_name="Support", charge_category="Purchase")
            yield charge(day, "-70", tags=tags["data"], charge_category="Credit")


def set_rules(marts: Warehouse, *rules: Mapping[str, Any]) -> None:
    with marts.database.connect("app", autocommit=True) as conn:
        parsed = [allocation_rules.parse(rule) for rule in rules]
        allocation_rules.replace_all(conn, parsed, "ann")


def forecast(marts: Warehouse) -> Summary:
    with marts.database.connect("dbt", autocommit=True) as conn:
        return forecast_runs.forecast_changes(conn)


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        # nobody waits for the account that has not come for a month
        for account, last in (("acme", 1), ("other", 1), ("gone", 30)):
            days = DayRange(FIRST, TODAY - timedelta(days=last))
            rows = [each for day in days for each in bill(day, account)]
            with made.database.connect("loader", autocommit=True) as conn:
                described, stored = fetched(days, account), payload(account)
                load(conn, FOCUS_COSTS, described, stored, lambda rows=rows: [batch(rows)], OPTIONS)
        set_rules(made, SUPPORT, BY_TAG)
        made.dbt("seed")
        made.build("--select", *MODELS)
        assert forecast(made).teams == 3
        yield made


def test_teams_are_forecast_over_all_accounts(marts: Warehouse) -> None:
    found = marts.ask(
        "select team, month, horizon, as_of, method, forecast_cost, lower_cost, upper_cost,"
        " provider, account_id, billing_currency from marts.fct_forecasts"
        " where scope = 'team' and horizon > 0 order by team nulls last, month"
    )
    # `gone` was 60 a day of the shop's, too, until it went
    expected = {"data": 31 * 30 + 150, "shop": 31 * 2 * 60 + 150, None: 31 * 20}
    assert [row[:5] for row in found] == [
        (team, month, at, SETTLED, METHOD)
        for team in expected
        for at, month in enumerate(COMING, 1)
    ]
    for team, _, at, _, _, cost, lower, upper, *keys in found:
        if at == 1:
            assert float(cost) == pytest.approx(expected[team], rel=0.15)
        assert lower <= cost <= upper
        assert keys == [None, None, "USD"]


def test_what_is_booked_and_what_came_is_the_mart_to_the_last_decimal(marts: Warehouse) -> None:
    booked = (
        "select team, sum(effective_cost) from marts.fct_daily_allocated_costs"
        f" where usage_date between '{NOVEMBER}' and '{SETTLED}'"
        " and charge_category in ('Usage', 'Tax', 'Purchase') group by 1 order by 1 nulls last"
    )
    assert marts.ask(booked) == marts.ask(
        "select team, booked_cost from marts.fct_forecasts where scope = 'team' and horizon = 0"
        " order by team nulls last"
    )
    assert marts.ask("select count(*) from marts.fct_forecast_errors where scope = 'team'") > [
        (100,)
    ]
    assert (
        marts.ask(
            "select * from marts.fct_forecast_errors as said inner join ("
            " select team, date_trunc('month', usage_date)::date as month,"
            " sum(effective_cost) as cost from marts.fct_daily_allocated_costs"
            " where charge_category in ('Usage', 'Tax', 'Purchase') group by 1, 2"
            ") as daily on daily.month = said.month and daily.team is not distinct from said.team"
            " where said.scope = 'team' and said.actual_cost <> daily.cost"
        )
        == []
    )


def test_other_rules_make_other_forecasts_of_another_past(marts: Warehouse) -> None:
    assert forecast(marts) == Summary()
    rest = {"dimension": "team", "name": "Rest", "effect": {"value": "platform"}}
    set_rules(marts, BY_TAG, rest)
    marts.build("--select", "fct_daily_allocated_costs", "int_team_series")
    summary = forecast(marts)
    assert (summary.accounts, summary.teams) == (0, 3)
    assert marts.ask(
        "select team, booked_cost from marts.fct_forecasts where scope = 'team' and horizon = 0"
        " and team = 'platform'"
    ) == [("platform", Decimal(300 + 20 * 17))]
    set_rules(marts)
    marts.build("--select", "fct_daily_allocated_costs", "int_team_series")
    assert forecast(marts).teams == 0
    assert marts.ask("select 1 from marts.fct_forecasts where scope = 'team'") == []
