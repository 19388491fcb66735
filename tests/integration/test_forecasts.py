"""From deliveries through dbt and the forecaster to months with intervals and their errors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.forecasts import LAST_WEEK, METHOD, RUN_RATE
from astraeus_pipeline.warehouse import forecast_runs
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse

pytestmark = pytest.mark.integration

OPTIONS: Final = LoadOptions(today=TODAY, settle_days=3)
FIRST: Final = date(2025, 9, 1)
SETTLED: Final = TODAY - timedelta(days=3)
# The last day of October with as many days left as the last settled one has in November.
EARLIER: Final = date(2026, 10, 18)
MODELS: Final = ("+fct_forecasts", "fct_forecast_errors")
FORECASTS: Final = "select * from marts.fct_forecasts order by series_key, month"
ERRORS: Final = "select * from marts.fct_forecast_errors order by series_key, method, as_of, month"


def bill(day: date, factor: int = 1) -> list[dict[str, Any]]:
    """Return a day's charges: two services with weekends, taxes, a support plan, a credit."""
    wave = (day.toordinal() * 37) % 11 - 5  # some days more, some less, the same every time
    weekend = 40 if day.weekday() >= 5 else 0
    charges = [
        charge(
            day,
            str((100 + wave - weekend) * factor),
            service_name="Compute",
            sub_account_id="team",
        ),
        charge(day, f"{50 + wave}.0000000001", service_name="Storage", sub_account_id="team"),
    ]
    if day.day == 1:
        charges.append(charge(day, "900", service_name="Compute", charge_category="Tax"))
    if day.day == 5:
        charges.append(charge(day, "300", service_name="Support", charge_category="Purchase"))
        charges.append(charge(day, "-70", service_name="Compute", charge_category="Credit"))
    return charges


def deliver(marts: Warehouse, days: DayRange, account_id: str = "acme", factor: int = 1) -> None:
    rows = [each for day in days for each in bill(day, factor)]
    with marts.database.connect("loader", autocommit=True) as conn:
        stored = payload(f"{account_id} {days} {factor}")
        load(conn, FOCUS_COSTS, fetched(days, account_id), stored, lambda: [batch(rows)], OPTIONS)


def forecast(marts: Warehouse) -> forecast_runs.Summary:
    with marts.database.connect("dbt", autocommit=True) as conn:
        return forecast_runs.forecast_changes(conn)


def build_and_forecast(marts: Warehouse) -> forecast_runs.Summary:
    marts.build("--select", *MODELS)
    return forecast(marts)


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        deliver(made, DayRange(FIRST, TODAY - timedelta(days=1)))
        # The same bills, but nobody has looked since October.
        deliver(made, DayRange(FIRST, EARLIER), account_id="earlier")
        made.dbt("seed")
        build_and_forecast(made)
        yield made


def month_of(first: date) -> list[date]:
    following = (first + timedelta(days=32)).replace(day=1)
    return [first + timedelta(days=each) for each in range((following - first).days)]


def cost_of(days: list[date]) -> Decimal:
    """Return what comes again of the days' bills: all but credits."""
    return sum(
        (
            each["effective_cost"]
            for day in days
            for each in bill(day)
            if each["charge_category"] != "Credit"
        ),
        Decimal(0),
    )


def test_the_running_month_and_three_more_are_forecast(marts: Warehouse) -> None:
    found = marts.ask(
        "select as_of, month, horizon, method, booked_cost, forecast_cost, lower_cost, upper_cost"
        " from marts.fct_forecasts where account_id = 'acme' and scope = 'account'"
        " order by month"
    )
    months = [date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1)]
    assert [row[:4] for row in found] == [
        (SETTLED, month, at, METHOD) for at, month in enumerate(months)
    ]
    settled = [day for day in month_of(months[0]) if day <= SETTLED]
    assert [row[4] for row in found] == [cost_of(settled), 0, 0, 0]
    for month, (*_, expected, lower, upper) in zip(months, found, strict=True):
        assert float(expected) == pytest.approx(float(cost_of(month_of(month))), rel=0.02)
        assert lower < expected < upper


def test_charges_beside_usage_are_expected_on_their_days(marts: Warehouse) -> None:
    """The plan of November is booked, and is not expected twice; tax has a day of its own."""
    support = marts.ask(
        "select booked_cost, forecast_cost from marts.fct_forecasts"
        " where account_id = 'acme' and service_name = 'Support' order by month"
    )
    assert support == [(300, 300), (0, 300), (0, 300), (0, 300)]
    # a tax without a sub account is a series of its own
    tax = marts.ask(
        "select booked_cost, forecast_cost from marts.fct_forecasts where account_id = 'acme'"
        " and service_name = 'Compute' and sub_account_id is null order by month"
    )
    assert tax == [(900, 900), (0, 900), (0, 900), (0, 900)]


def test_errors_compare_with_the_mart_to_the_last_decimal(marts: Warehouse) -> None:
    differing = marts.ask(
        "select * from marts.fct_forecast_errors as said inner join ("
        " select account_id, sub_account_id, service_name,"
        " date_trunc('month', usage_date)::date as month, sum(effective_cost) as cost"
        " from marts.fct_daily_costs where charge_category in ('Usage', 'Tax', 'Purchase')"
        " group by 1, 2, 3, 4"
        ") as daily on daily.account_id = said.account_id and daily.month = said.month"
        " and daily.service_name = said.service_name"
        " and daily.sub_account_id is not distinct from said.sub_account_id"
        " where said.actual_cost <> daily.cost"
        " or said.error_cost <> said.forecast_cost - said.actual_cost"
    )
    assert differing == []
    methods = marts.ask(
        "select method, count(*) from marts.fct_forecast_errors where account_id = 'acme'"
        " and scope = 'account' group by 1"
    )
    assert {method for method, _ in methods} == {METHOD, RUN_RATE, LAST_WEEK}
    assert len({count for _, count in methods}) == 1
    (unfinished,) = marts.ask(
        "select count(*) from marts.fct_forecast_errors where month >= '2026-11-01'"
    )
    assert unfinished == (0,)


def test_ours_is_closer_than_the_plain_ones(marts: Warehouse) -> None:
    errors = dict(
        marts.ask(
            "select method, avg(abs(error_share))::float8 from marts.fct_forecast_errors"
            " where account_id = 'acme' and scope = 'account' group by 1"
        )
    )
    assert errors[METHOD] < 0.5 * min(errors[RUN_RATE], errors[LAST_WEEK])


def test_a_backtest_is_what_was_said_then(marts: Warehouse) -> None:
    """Of an account whose data ends that day the forecast says what the backtest says."""
    said = marts.ask(
        "select scope, sub_account_id, service_name, month, horizon, booked_cost, forecast_cost"
        " from marts.fct_forecasts where account_id = 'earlier' and horizon = 0 order by 2, 3, 1"
    )
    tested = marts.ask(
        "select scope, sub_account_id, service_name, month, horizon, booked_cost, forecast_cost"
        " from marts.fct_forecast_errors where account_id = 'acme' and horizon = 0"
        f" and method = '{METHOD}' and as_of = '{EARLIER}' order by 2, 3, 1"
    )
    assert len(said) >= 4
    assert said == tested


def test_bounds_wait_for_errors_of_three_months(marts: Warehouse) -> None:
    """Errors know no later error: the first backtests had none to go by."""
    by_day = marts.ask(
        "select as_of, count(lower_cost), count(is_covered), count(*)"
        f" from marts.fct_forecast_errors where method = '{METHOD}' and horizon = 0"
        " and account_id = 'acme' group by 1 order by 1"
    )
    assert [row[1:3] for row in by_day[:2]] == [(0, 0), (0, 0)]
    assert all(bounds == covered == count for _, bounds, covered, count in by_day[4:])
    held = marts.ask(
        "select distinct calibration_months from marts.fct_forecasts where account_id = 'acme'"
        " and horizon = 3 and lower_cost is not null"
    )
    assert all(months >= 3 for (months,) in held)


def test_forecasting_again_without_changes_does_nothing(marts: Warehouse) -> None:
    assert forecast(marts) == forecast_runs.Summary()


def test_only_what_changed_is_forecast_again_and_gives_the_rows_of_a_full_run(
    marts: Warehouse,
) -> None:
    of_earlier = "select * from intermediate.forecasts where account_id = 'earlier' order by 1, 10"
    before = marts.ask(of_earlier, role="dbt")
    restated = date(2026, 11, 10)
    deliver(marts, DayRange(restated, restated), factor=4)
    summary = build_and_forecast(marts)
    assert summary.accounts == 1
    assert marts.ask(of_earlier, role="dbt") == before
    forecasts, errors = marts.ask(FORECASTS), marts.ask(ERRORS)
    grown = cost_of([each for each in month_of(date(2026, 11, 1)) if each <= SETTLED])
    assert grown < max(row[11] for row in forecasts)

    with marts.database.connect("dbt", autocommit=True) as conn:
        conn.execute("delete from intermediate.built_slices where model = 'fct_forecasts'")
        conn.execute(
            "truncate intermediate.forecasts, intermediate.forecast_errors,"
            " intermediate.forecast_calibrations"
        )
    assert forecast(marts).accounts == 2
    assert marts.ask(FORECASTS) == forecasts
    assert marts.ask(ERRORS) == errors


def test_a_run_that_ended_before_its_calibration_is_finished_by_the_next(
    marts: Warehouse,
) -> None:
    forecasts = marts.ask(FORECASTS)
    with marts.database.connect("dbt", autocommit=True) as conn:
        conn.execute("truncate intermediate.forecast_calibrations")
    assert marts.ask("select 1 from marts.fct_forecasts where lower_cost is not null") == []
    assert forecast(marts) == forecast_runs.Summary()
    assert marts.ask(FORECASTS) == forecasts
