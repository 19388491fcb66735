"""Each kind of rule over the marts of real deliveries: what it finds, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import psycopg
import pytest

from app.queries import catalog
from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import alert_backtest, alert_rules, anomaly_scores, budgets
from astraeus_pipeline.warehouse.alert_rules import NewRule
from astraeus_pipeline.warehouse.budgets import NewBudget, Threshold
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse

pytestmark = pytest.mark.integration

OPTIONS: Final = LoadOptions(today=TODAY, settle_days=3)
FIRST: Final = date(2026, 6, 1)
LAST: Final = TODAY - timedelta(days=1)
SPIKE: Final = date(2026, 10, 14)  # a Wednesday
GAP: Final = date(2026, 9, 9)
SINCE: Final = date(2026, 8, 15)


def bill(day: date) -> list[dict[str, Any]]:
    """100 of Compute (two resources) and 20 of Storage; 300 more by one resource on one day."""
    more = 300 if day == SPIKE else 0
    compute = {"service_name": "Compute", "sub_account_id": "team", "region_id": "eu-west-1"}
    storage = {"service_name": "Storage", "sub_account_id": "team"}
    return [
        charge(day, "60", resource_id="web", **compute),
        charge(day, str(40 + more), resource_id="batch", **compute),
        charge(day, "20", **storage),
    ]


def deliver(marts: Warehouse, days: DayRange, account: str) -> None:
    rows = [each for day in days for each in bill(day)]
    with marts.database.connect("loader", autocommit=True) as conn:
        stored, description = payload(f"{account} {days}"), fetched(days, account)
        load(conn, FOCUS_COSTS, description, stored, lambda: [batch(rows)], OPTIONS)


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        with made.database.connect("app", autocommit=True) as conn:
            for slug in ("acme", "beta"):
                conn.execute(
                    "insert into app.accounts (slug, provider, name) values (%s, 'focus', %s)",
                    [slug, slug.title()],
                )
        deliver(made, DayRange(FIRST, GAP - timedelta(days=1)), "acme")
        deliver(made, DayRange(GAP + timedelta(days=1), LAST), "acme")
        deliver(made, DayRange(FIRST, LAST), "beta")
        made.dbt("seed")
        made.build("--select", "+fct_threshold_breaches")
        with made.database.connect("dbt", autocommit=True) as conn:
            anomaly_scores.score_changes(conn)
        yield made


@contextmanager
def app(marts: Warehouse) -> Iterator[psycopg.Connection]:
    with marts.database.connect("app", autocommit=True) as conn:
        yield conn


def found(marts: Warehouse, since: date = SINCE, **rule: Any) -> list[alert_backtest.Breach]:
    new = NewRule(name="trial", owner="ann", billing_currency=rule.pop("currency", "USD"), **rule)
    with app(marts) as conn:
        return alert_backtest.of_new(conn, new, since)


def test_a_day_above_an_amount_is_found_once_with_its_sum(marts: Warehouse) -> None:
    (one,) = found(marts, kind="cost_amount", amount=Decimal(240), filters={"account": ["acme"]})
    assert (one.usage_date, one.observed_value, one.threshold_value) == (SPIKE, 420, 240)
    assert (one.billing_currency, one.unit, one.scope_key) == ("USD", "currency", "all")


def test_the_amount_itself_is_no_breach(marts: Warehouse) -> None:
    assert (
        found(marts, kind="cost_amount", amount=Decimal(420), filters={"account": ["acme"]}) == []
    )


def test_the_members_of_a_split_are_judged_one_by_one(marts: Warehouse) -> None:
    rule: dict[str, Any] = {"kind": "cost_amount", "amount": Decimal(101), "split_by": "service"}
    days = found(marts, **rule, filters={"account": ["acme"]})
    assert [(each.scope_key, each.observed_value) for each in days] == [("service=Compute", 400)]


def test_what_has_no_region_is_filtered_by_its_name_on_the_page(marts: Warehouse) -> None:
    rule: dict[str, Any] = {"kind": "cost_amount", "amount": Decimal(39), "grain": "day"}
    days = found(marts, SPIKE, **rule, filters={"region": ["No region"]})
    assert {each.observed_value for each in days} == {Decimal(40)}  # Storage of both accounts
    assert found(marts, SPIKE, **rule, filters={"region": ["us-east-1"]}) == []


def test_a_provider_is_called_as_on_the_page(marts: Warehouse) -> None:
    """The labels of rules and page have two homes: SQL of dbt and of the app."""
    with app(marts) as conn:
        labels = conn.execute(
            f"select account_id, {catalog.PROVIDER_NAME} from {catalog.ACCOUNTS}"
        ).fetchall()
    for account, label in labels:
        days = found(
            marts, SPIKE, kind="cost_amount", amount=Decimal(0), filters={"provider": [label]},
            split_by="account",
        )  # fmt: skip
        assert {each.scope_key for each in days} == {f"account={account}"}


def test_a_month_is_crossed_on_the_day_that_its_sum_is(marts: Warehouse) -> None:
    rule = {"kind": "cost_amount", "grain": "month", "filters": {"account": ["acme"]}}
    months = found(marts, date(2026, 10, 5), amount=Decimal(3000), **rule)
    # October: 120 a day and 300 on the 14th; 3000 is exceeded on the 23rd (2760 + 300).
    (october,) = months
    assert october.period_start == date(2026, 10, 1)
    assert october.period_end == date(2026, 10, 31)
    assert october.usage_date == date(2026, 10, 23)
    assert october.observed_value == 31 * 120 + 300


def test_a_growth_is_measured_against_the_same_weekdays(marts: Warehouse) -> None:
    rule: dict[str, Any] = {"kind": "cost_change", "filters": {"account": ["acme"]}}
    (one,) = found(marts, percent=Decimal(50), **rule)
    assert (one.usage_date, one.observed_value, one.threshold_value) == (SPIKE, 420, 180)
    assert found(marts, percent=Decimal(50), amount=Decimal(301), **rule) == []


def test_a_gap_makes_no_growth(marts: Warehouse) -> None:
    """The week of the gap holds six days of 120 only; the week after is no growth of 17 %."""
    weeks = found(
        marts, kind="cost_change", percent=Decimal(10), grain="week", filters={"account": ["acme"]}
    )
    assert [each.period_start for each in weeks] == [date(2026, 10, 12)]


def test_an_anomaly_counts_by_its_impact(marts: Warehouse) -> None:
    (one,) = found(marts, kind="anomaly", amount=Decimal(250), filters={"account": ["acme"]})
    assert one.usage_date == SPIKE
    assert Decimal(290) < (one.observed_value or 0) < Decimal(310)
    assert found(marts, kind="anomaly", amount=Decimal(350)) == []


def test_a_feed_is_stale_by_account(marts: Warehouse) -> None:
    gaps = found(marts, kind="stale_feed", days=1, currency=None)
    assert [(each.scope_key, each.usage_date) for each in gaps] == [("account=acme gap", GAP)]
    assert found(marts, kind="stale_feed", days=2, currency=None) == []


def test_a_resource_jumps_once(marts: Warehouse) -> None:
    jumps = found(marts, kind="resource_anomaly", amount=Decimal(50))
    assert sorted((each.scope_key, each.usage_date) for each in jumps) == [
        ("resource=acme batch Compute", SPIKE),
        ("resource=beta batch Compute", SPIKE),
    ]
    assert jumps[0].observed_value == 340
    assert found(marts, kind="resource_anomaly", amount=Decimal(301)) == []


def test_a_budget_tells_of_each_threshold_once_a_period(marts: Warehouse) -> None:
    with app(marts) as conn:
        budget = NewBudget(
            name="Acme",
            period="month",
            amount=Decimal(4000),
            billing_currency="USD",
            starts_on=date(2026, 10, 1),
            filters={"account_id": ["acme"]},
            thresholds=[Threshold("actual", Decimal("0.5")), Threshold("actual", Decimal(1))],
        )
        budgets.add(conn, budget, "ann")
    rule: dict[str, Any] = {"kind": "budget", "currency": None}
    # October: 120 a day and 300 on the 14th reach 2000 on the 15th and 4000 on the 31st: 4020.
    october = [each for each in found(marts, **rule) if each.period_start.month == 10]
    assert [(each.scope_key, each.usage_date, each.observed_value) for each in october] == [
        ("budget=1 actual 0.5", date(2026, 10, 15), 4020),
        ("budget=1 actual 1", date(2026, 10, 31), 4020),
    ]
    assert [each.threshold_value for each in october] == [2000, 4000]


def test_a_residual_that_holds_back_a_day_is_found(marts: Warehouse) -> None:
    day = date(2026, 11, 2)
    with marts.database.connect("dbt", autocommit=True) as conn, conn.transaction() as undone:
        conn.execute(
            "insert into marts.fct_reconciliations (check_name, provider, account_id, grain,"
            " usage_date, billing_period, first_day, last_day, currency, cost_type, left_amount,"
            " right_amount, residual, state, delivery_id) values ('control_total', 'focus', 'acme',"
            " 'day', %(day)s, %(day)s, %(day)s, %(day)s, 'USD', 'billed_cost', 120, 130, -10,"
            " 'blocked', 1)",
            {"day": day},
        )
        assert undone
    try:
        (one,) = found(marts, kind="residual", amount=Decimal(10))
        assert (one.usage_date, one.observed_value, one.data_state) == (day, -10, "held back")
        assert len(found(marts, kind="residual", currency=None)) == 1
        assert found(marts, kind="residual", amount=Decimal(11)) == []
    finally:
        with marts.database.connect("dbt", autocommit=True) as conn:
            conn.execute("delete from marts.fct_reconciliations where state = 'blocked'")


def test_a_forecast_above_an_amount_is_found(marts: Warehouse) -> None:
    with marts.database.connect("dbt", autocommit=True) as conn:
        conn.execute(
            "insert into intermediate.forecasts (series_key, scope, provider, account_id,"
            " billing_currency, method, as_of, month, horizon, booked_cost, rest_cost, scale)"
            " select account, 'account', 'focus', account, 'USD', 'm', '2026-11-17', '2026-11-01',"
            " 0, 2000, 1600, 1 from unnest(array['acme', 'beta']) as account"
        )
    by_account = found(marts, kind="forecast", amount=Decimal(3500), split_by="account")
    assert [each.scope_key for each in by_account] == ["account=acme", "account=beta"]
    (total,) = found(marts, kind="forecast", amount=Decimal(7000))
    assert (total.observed_value, total.data_state) == (7200, "forecast")
    assert found(marts, kind="forecast", amount=Decimal(7200)) == []


def test_a_back_test_leaves_nothing_behind(marts: Warehouse) -> None:
    with app(marts) as conn:
        before = conn.execute("select count(*) from app.alert_rules").fetchone()
        assert found(marts, kind="cost_amount", amount=Decimal(1)) != []
        assert conn.execute("select count(*) from app.alert_rules").fetchone() == before
        assert conn.execute("select count(*) from app.alerts").fetchone() == (0,)


def test_a_standing_rule_sees_its_own_days_live_and_all_of_them_back(marts: Warehouse) -> None:
    with app(marts) as conn:
        new = NewRule(
            name="dear days", kind="cost_amount", amount=Decimal(1), billing_currency="USD",
            owner="ann",
        )  # fmt: skip
        alert_rules.add_rule(conn, new, "ann")
        first = TODAY - timedelta(days=3)
        conn.execute("update app.alert_rules set starts_on = %s", [first])
        live = conn.execute("select min(usage_date) from marts.fct_threshold_breaches").fetchone()
        assert live == (first,)
        back = alert_backtest.of_rule(conn, "dear days", SINCE)
        assert back[0].usage_date == SINCE
        conn.execute("delete from app.alert_rules")


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"kind": "cost_amount", "amount": None}, "needs amount"),
        ({"kind": "cost_amount", "amount": Decimal(1), "currency": None}, "no currency"),
        ({"kind": "stale_feed", "days": 1, "amount": Decimal(1)}, "takes no amount"),
        ({"kind": "anomaly", "amount": Decimal(1), "filters": {"region": ["x"]}}, "'region'"),
        ({"kind": "residual", "split_by": "account"}, "cannot be split"),
        ({"kind": "nonsense"}, "no kind"),
        ({"kind": "cost_amount", "amount": Decimal(-1)}, "negative"),
    ],
)
def test_rules_that_do_not_fit_their_kind_are_refused(
    marts: Warehouse, rule: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        found(marts, **rule)
