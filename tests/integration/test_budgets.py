"""Budgets held against bills that can be added up by hand, and what people may change of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import allocation_rules, budgets, forecast_runs
from astraeus_pipeline.warehouse.budgets import Change, NewBudget, Threshold
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse

pytestmark = pytest.mark.integration

OPTIONS: Final = LoadOptions(today=TODAY, settle_days=3)
FIRST: Final = date(2026, 3, 1)
LAST: Final = TODAY - timedelta(days=1)  # 19 November
SETTLED: Final = TODAY - timedelta(days=3)  # 17 November
MODELS: Final = (
    "+fct_budget_status",
    "+fct_budget_thresholds",
    "+fct_budget_days",
    "fct_forecasts",
)
NOVEMBER: Final = date(2026, 11, 1)
RULES: Final = (
    ("Storage", {"service_name": "storage"}, "data"),
    ("The rest of it", {"account_id": "acme"}, "shop"),
)
# What stands in October by the values of a dimension, None for costs without one.
PARTS: Final[dict[str, list[str | None]]] = {
    "account_id": ["acme", "euro"],
    "sub_account_id": ["web", "batch", None],
    "service_name": ["Compute", "Storage"],
    "region_id": ["eu-west-1", "us-east-1", None],
    "charge_category": ["Usage", "Tax", "Credit"],
    "team": ["data", "shop", None],
}


def bill(day: date) -> list[dict[str, Any]]:
    """Return a day's charges in `acme`: 100 + 40 + 10 a day, 30 more of tax on the first.

    Storage is prepaid: 40 a day effective, 1200 billed on the first of a month.
    """
    charges = [
        charge(
            day,
            "100",
            service_name="Compute",
            service_category="Compute",
            sub_account_id="web",
            region_id="eu-west-1",
        ),
        charge(
            day,
            "40",
            service_name="Storage",
            service_category="Storage",
            sub_account_id="web",
            billed_cost=Decimal(1200 if day.day == 1 else 0),
            region_id="us-east-1",
        ),
        charge(
            day,
            "10",
            service_name="Compute",
            service_category="Compute",
            sub_account_id="batch",
            region_id="eu-west-1",
        ),
    ]
    if day.day == 1:
        charges.append(
            charge(
                day,
                "30",
                service_name="Compute",
                service_category="Compute",
                charge_category="Tax",
            )
        )
    return charges


def euros(day: date) -> list[dict[str, Any]]:
    """Return a day's charges in `euro`: 7 EUR and, on the tenth, a credit of 20 USD."""
    charges = [charge(day, "7", service_name="Compute", billing_currency="EUR")]
    if day.day == 10:
        charges.append(charge(day, "-20", service_name="Compute", charge_category="Credit"))
    return charges


def deliver(marts: Warehouse, days: DayRange, account_id: str, rows: list[dict[str, Any]]) -> None:
    with marts.database.connect("loader", autocommit=True) as conn:
        stored = payload(f"{account_id} {days} {len(rows)}")
        load(conn, FOCUS_COSTS, fetched(days, account_id), stored, lambda: [batch(rows)], OPTIONS)


def build(marts: Warehouse) -> None:
    marts.build("--select", *MODELS)
    with marts.database.connect("dbt", autocommit=True) as conn:
        forecast_runs.forecast_changes(conn)


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        days = DayRange(FIRST, LAST)
        deliver(made, days, "acme", [each for day in days for each in bill(day)])
        deliver(made, days, "euro", [each for day in days for each in euros(day)])
        with made.database.connect("app", autocommit=True) as conn:
            for name, conditions, team in RULES:
                rule = {"dimension": "team", "name": name, "effect": {"value": team}}
                allocation_rules.add(
                    conn, allocation_rules.parse({**rule, "conditions": conditions}), "ann"
                )
        made.dbt("seed")
        build(made)
        yield made


def add(marts: Warehouse, name: str, amount: str, **more: Any) -> int:
    given = {"period": "month", "billing_currency": "USD", "starts_on": NOVEMBER, **more}
    new = NewBudget(name=name, amount=Decimal(amount), **given)
    with marts.database.connect("app", autocommit=True) as conn:
        return budgets.add(conn, new, "ann")


def status(marts: Warehouse, budget_id: int, columns: str) -> list[tuple[Any, ...]]:
    return marts.ask(
        f"select {columns} from marts.fct_budget_status where budget_id = {budget_id}"
        " order by period_start"
    )


def test_a_month_is_held_against_every_day_that_came(marts: Warehouse) -> None:
    """19 days of 150, 30 of tax, 20 of credit; of the account in euros only the credit counts."""
    budget = add(marts, "all", "6000")
    found = status(
        marts,
        budget,
        "period_start, period_end, data_through, settled_through, actual_cost, settled_cost,"
        " remaining_cost, days_left, accounts, other_currencies, missing_days",
    )
    actual = Decimal(19 * 150 + 30 - 20)
    assert found == [
        (
            NOVEMBER,
            date(2026, 11, 30),
            LAST,
            SETTLED,
            actual,
            actual - 300,
            6000 - actual,
            11,
            2,
            1,
            0,
        )
    ]
    ((share, expected, pace, pace_state),) = status(
        marts, budget, "actual_share, expected_share, pace, pace_state"
    )
    assert share == round(actual / 6000, 6)
    assert expected == round(Decimal(17) / 30, 6)
    assert pace == round((actual - 300) / (6000 * expected), 6)
    assert pace_state == "below"


def test_it_shows_at_once_and_the_same_after_a_build(marts: Warehouse) -> None:
    everything = "select * from marts.fct_budget_status order by budget_id, period_start"
    add(marts, "at once", "500", filters={"sub_account_id": ["batch"]}, starts_on=FIRST)
    add(marts, "a team's", "500", filters={"team": ["data"]}, starts_on=FIRST)
    before = marts.ask(everything)
    assert len(before) > 9
    assert marts.ask("select count(*) from intermediate.built_budgets", "dbt") == [(0,)]
    build(marts)
    assert marts.ask("select count(*) > 0 from intermediate.built_budgets", "dbt") == [(True,)]
    assert marts.ask(everything) == before


@pytest.mark.parametrize(
    ("filters", "october"),
    [
        ({"provider": ["focus"]}, 31 * 150 + 30 - 20),
        ({"provider": ["aws"]}, None),
        ({"account_id": ["acme"]}, 31 * 150 + 30),
        ({"account_id": ["euro"]}, -20),
        ({"sub_account_id": ["web"]}, 31 * 140),
        ({"sub_account_id": ["web", "batch"]}, 31 * 150),
        ({"sub_account_id": [None]}, 30 - 20),
        ({"service_name": ["Storage"]}, 31 * 40),
        ({"service_category": ["Compute"], "account_id": ["acme"]}, 31 * 110 + 30),
        ({"region_id": ["eu-west-1"]}, 31 * 110),
        ({"region_id": [None], "account_id": ["acme"]}, 30),
        ({"charge_category": ["Usage"]}, 31 * 150),
        ({"charge_category": ["Tax", "Credit"]}, 30 - 20),
        ({"team": ["data"]}, 31 * 40),
        ({"team": ["data", "shop"], "region_id": ["eu-west-1"]}, 31 * 110),
        ({"team": [None]}, -20),
        ({"cost_center": [None], "environment": [None]}, 31 * 150 + 30 - 20),
    ],
)
def test_each_dimension_filters(
    marts: Warehouse, filters: dict[str, list[str | None]], october: int | None
) -> None:
    start, end = date(2026, 10, 1), date(2026, 10, 31)
    budget = add(marts, str(filters), "1000", filters=filters, starts_on=start, ends_on=end)
    ((actual, state),) = status(marts, budget, "actual_cost, state")
    assert actual == october
    over = october is not None and october > 1000
    assert state == ("no_data" if october is None else "over" if over else "on_track")


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(dimension=st.sampled_from(sorted(PARTS)), groups=st.lists(st.integers(0, 2), min_size=3))
def test_scopes_that_part_all_costs_sum_up_to_them(
    marts: Warehouse, dimension: str, groups: list[int]
) -> None:
    parts: dict[int, list[str | None]] = {}
    for value, group in zip(PARTS[dimension], groups, strict=False):
        parts.setdefault(group, []).append(value)
    october = {"starts_on": date(2026, 10, 1), "ends_on": date(2026, 10, 31)}
    made = [
        add(marts, f"part {group}", "1", filters={dimension: values}, **october)
        for group, values in parts.items()
    ]
    ((total,),) = marts.ask(
        f"select sum(actual_cost) from marts.fct_budget_status where budget_id = any(array{made})"
    )
    with marts.database.connect("app", autocommit=True) as conn:
        for budget in made:
            budgets.remove(conn, budget, "ann")
    assert total == 31 * 150 + 30 - 20


def test_quarters_and_years_follow_the_fiscal_calendar(marts: Warehouse) -> None:
    """From May on: the second quarter is August to October, the year ends in April."""
    only = {"filters": {"sub_account_id": ["batch"]}, "fiscal_start_month": 5}
    quarter = add(marts, "q", "900", period="quarter", starts_on=date(2026, 5, 1), **only)
    assert status(marts, quarter, "period_start, period_end, actual_cost, state") == [
        (date(2026, 5, 1), date(2026, 7, 31), 920, "over"),
        (date(2026, 8, 1), date(2026, 10, 31), 920, "over"),
        (NOVEMBER, date(2027, 1, 31), 190, "forecast_over"),
    ]
    year = add(marts, "y", "4000", period="year", starts_on=date(2026, 5, 1), **only)
    days = (LAST - date(2026, 5, 1)).days + 1
    ((start, end, actual, forecast, through, known),) = status(
        marts,
        year,
        "period_start, period_end, actual_cost, forecast_cost, forecast_through,"
        " forecast_known_cost",
    )
    assert (start, end, actual) == (date(2026, 5, 1), date(2027, 4, 30), 10 * days)
    # forecasts reach to the end of February: of April nothing is known
    assert (forecast, through) == (None, date(2027, 2, 28))
    assert float(known) == pytest.approx(10 * 304, rel=0.02)


def test_billed_cost_is_another_than_effective_cost(marts: Warehouse) -> None:
    """Storage is billed on the first: the amount is passed that day, and no forecast fits."""
    only = {"filters": {"service_name": ["Storage"]}, "cost_type": "billed"}
    budget = add(marts, "billed", "1100", **only)
    assert status(marts, budget, "actual_cost, breach_date, forecast_cost, state") == [
        (1200, NOVEMBER, None, "over")
    ]


def test_costs_in_other_currencies_are_counted_not_summed(marts: Warehouse) -> None:
    budget = add(marts, "eur", "300", billing_currency="EUR")
    ((actual, others, accounts),) = status(marts, budget, "actual_cost, other_currencies, accounts")
    assert (actual, others, accounts) == (19 * 7, 1, 2)


def test_an_amount_counts_from_its_period_on(marts: Warehouse) -> None:
    only = {"filters": {"sub_account_id": ["batch"]}}
    budget = add(marts, "grows", "200", starts_on=date(2026, 9, 1), **only)
    amounts = "period_start, budget_amount, state"
    with marts.database.connect("app", autocommit=True) as conn:
        with pytest.raises(ConfigError, match="settled"):
            wanted = Change(amount=Decimal(400), valid_from=date(2026, 10, 1))
            budgets.change(conn, budget, wanted, TODAY, "bob")
        with pytest.raises(ConfigError, match="not the first day"):
            wanted = Change(amount=Decimal(400), valid_from=date(2026, 12, 5))
            budgets.change(conn, budget, wanted, TODAY, "bob")
        budgets.change(conn, budget, Change(amount=Decimal(350)), TODAY, "bob")
        later = Change(amount=Decimal(100), valid_from=date(2026, 12, 1))
        budgets.change(conn, budget, later, TODAY, "bob")
        budgets.change(conn, budget, Change(amount=Decimal(400)), TODAY, "bob")
        audited = conn.execute(
            "select actor, action, detail ->> 'amount' from app.audit_log where subject = %s"
            " order by id",
            [str(budget)],
        ).fetchall()
    assert status(marts, budget, "is_latest") == [(False,), (False,), (True,)]
    assert status(marts, budget, amounts) == [
        (date(2026, 9, 1), 200, "over"),
        (date(2026, 10, 1), 200, "over"),
        (NOVEMBER, 400, "on_track"),
    ]
    assert audited == [
        ("ann", "budget.add", "200"),
        *[("bob", "budget.change", amount) for amount in ("350", "100", "400")],
    ]


def test_the_forecast_says_when_the_amount_will_be_passed(marts: Warehouse) -> None:
    """Ten a day: 190 on the 19th, so 250 on the 25th; an amount of 310 will do."""
    only = {"filters": {"sub_account_id": ["batch"]}}
    budget = add(marts, "breach", "250", **only)
    ((forecast, lower, upper, breach, expected, state),) = status(
        marts,
        budget,
        "forecast_cost, lower_cost, upper_cost, breach_date, forecast_breach_date, state",
    )
    assert float(forecast) == pytest.approx(300, rel=0.01)
    assert lower <= forecast <= upper
    assert (breach, expected, state) == (None, date(2026, 11, 25), "forecast_over")
    assert marts.ask(
        "select basis, share, threshold_amount, crossed, crossed_on, expected_on"
        f" from marts.fct_budget_thresholds where budget_id = {budget} order by 1, 2"
    ) == [
        ("actual", Decimal("0.8"), 200, False, None, date(2026, 11, 20)),
        ("actual", 1, 250, False, None, date(2026, 11, 25)),
        ("forecast", 1, 250, True, None, date(2026, 11, 25)),
    ]
    enough = add(marts, "enough", "400", **only)
    assert status(marts, enough, "state, forecast_breach_date") == [("on_track", None)]


def test_thresholds_are_crossed_on_the_day_that_reaches_them(marts: Warehouse) -> None:
    """90 of 100 are spent on the 9th, the amount itself on the 10th; it is passed on the 11th."""
    wanted = [Threshold("actual", Decimal(share)) for share in ("0.9", "1", "3")]
    budget = add(marts, "crossed", "100", filters={"sub_account_id": ["batch"]}, thresholds=wanted)
    assert marts.ask(
        "select share, crossed, crossed_on from marts.fct_budget_thresholds"
        f" where budget_id = {budget} order by 1"
    ) == [
        (Decimal("0.9"), True, date(2026, 11, 9)),
        (1, True, date(2026, 11, 10)),
        (3, False, None),
    ]
    assert status(marts, budget, "breach_date, forecast_breach_date, state") == [
        (date(2026, 11, 11), None, "over")
    ]


def test_a_whole_account_has_bounds_two_have_none(marts: Warehouse) -> None:
    bounds = "forecast_cost, lower_cost, upper_cost"
    one = add(marts, "one account", "9000", filters={"account_id": ["acme"]})
    ((forecast, lower, upper),) = status(marts, one, bounds)
    assert float(forecast) == pytest.approx(30 * 150 + 30, rel=0.01)
    assert lower <= forecast <= upper
    two = add(marts, "two services", "9000", filters={"service_name": ["Compute", "Storage"]})
    ((forecast, lower, upper),) = status(marts, two, bounds)
    assert float(forecast) == pytest.approx(30 * 150 + 30 - 20, rel=0.01)
    assert (lower, upper) == (None, None)


def test_days_burn_down_beside_an_even_pace(marts: Warehouse) -> None:
    budget = add(marts, "burn", "300", filters={"sub_account_id": ["batch"]})
    days = marts.ask(
        "select usage_date, cost, cumulative_cost, even_cost, is_settled"
        f" from marts.fct_budget_days where budget_id = {budget} order by 1"
    )
    assert days == [
        (NOVEMBER + timedelta(days=each), 10, 10 * (each + 1), 10 * (each + 1), each < 17)
        for each in range(19)
    ]


def test_a_gap_and_a_restated_day_are_seen(marts: Warehouse) -> None:
    """A silent account stays in scope: its days are missing; without a forecast pace tells."""
    days = DayRange(date(2026, 11, 2), date(2026, 11, 12))
    deliver(marts, days, "late", [charge(day, "5", service_name="Late") for day in days])
    build(marts)
    budget = add(marts, "late", "100", filters={"service_name": ["Late"]})
    columns = "actual_cost, data_through, settled_through, missing_days, state"
    assert status(marts, budget, columns) == [
        (55, date(2026, 11, 12), date(2026, 11, 12), 5, "at_risk")
    ]
    again = DayRange(date(2026, 11, 12), date(2026, 11, 12))
    deliver(marts, again, "late", [charge(again.first, "60", service_name="Late")])
    build(marts)
    assert status(marts, budget, "actual_cost, breach_date, state") == [
        (110, date(2026, 11, 12), "over")
    ]


def test_what_builds_keep_of_a_budgets_days_is_their_sum(marts: Warehouse) -> None:
    """A new budget, a restated day, one without its costs; the check finds a cent too much."""

    def checked() -> str:
        name = "budget_sums_equal_days"
        return marts.dbt("test", "--select", name)[name]

    budget = add(marts, "kept", "100", filters={"sub_account_id": ["batch"]}, starts_on=FIRST)
    kept = f"budget_id = {budget}"
    build(marts)
    days = DayRange(date(2026, 11, 3), date(2026, 11, 4))
    restated = charge(days.first, "70", service_name="Compute", sub_account_id="batch")
    rows = [*bill(days.first)[:2], restated, *bill(days.last)[:2]]
    deliver(marts, days, "acme", rows)
    build(marts)
    assert checked() == "pass"
    everything = f"select * from marts.fct_budget_status where {kept}"
    before = marts.ask(everything)
    found = marts.ask(
        "select usage_date, cost from intermediate.budget_day_sums"
        f" where {kept} and usage_date between '2026-11-02' and '2026-11-05' order by 1",
        "dbt",
    )
    assert found == [(date(2026, 11, 2), 10), (days.first, 70), (date(2026, 11, 5), 10)]
    with marts.database.connect("dbt", autocommit=True) as conn:
        conn.execute(f"update intermediate.budget_day_sums set cost = cost + 0.01 where {kept}")
        assert checked() == "fail"
        conn.execute(f"update intermediate.budget_day_sums set cost = cost - 0.01 where {kept}")
    deliver(marts, days, "acme", [each for day in days for each in bill(day)])
    build(marts)
    assert marts.ask(everything) != before
    assert checked() == "pass"


def test_a_removed_budget_is_gone_and_its_name_free(marts: Warehouse) -> None:
    budget = add(marts, "Gone", "100")
    with marts.database.connect("app", autocommit=True) as conn:
        assert budgets.find(conn, "gone") == budget
        with pytest.raises(ConfigError, match="already"):
            add(marts, "GONE", "100")
        budgets.remove(conn, budget, "ann")
        with pytest.raises(ConfigError, match="no active budget"):
            budgets.find(conn, "gone")
    assert status(marts, budget, "1") == []
    add(marts, "gone", "100")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"name": " "}, "no name"),
        ({"amount": "0"}, "no amount to spend"),
        ({"amount": "NaN"}, "no amount to spend"),
        ({"period": "week"}, "'week'"),
        ({"cost_type": "list"}, "'list'"),
        ({"billing_currency": "usd"}, "no currency"),
        ({"starts_on": date(2026, 11, 2)}, "not the first day"),
        ({"period": "quarter"}, "not the first day"),
        ({"fiscal_start_month": 13}, "no month 13"),
        ({"ends_on": date(2026, 12, 30)}, "not the last day"),
        ({"ends_on": date(2026, 9, 30)}, "before the budget begins"),
        ({"filters": {"project": ["a"]}}, "'project'"),
        ({"filters": {"provider": []}}, "takes nothing"),
        ({"thresholds": [Threshold("actual", Decimal(80))]}, "cannot be 80"),
        ({"thresholds": [Threshold("hope", Decimal(1))]}, "'hope'"),  # type: ignore[arg-type]
        ({"thresholds": [Threshold("actual", Decimal(1))] * 2}, "twice"),
    ],
)
def test_what_cannot_be_a_budget_is_refused(
    marts: Warehouse, more: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        add(marts, **{"name": "refused", "amount": "1", **more})
