"""Every comparison is a row with its state; a residual holds back its own account and day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal
from astraeus_pipeline.warehouse import acceptances
from astraeus_pipeline.warehouse.acceptances import Acceptance
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, LoadResult, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse

pytestmark = pytest.mark.integration

FIRST, SECOND, THIRD = (date(2026, 11, day) for day in (3, 4, 5))
OCTOBER = DayRange.of_month(date(2026, 10, 1))
RECONCILED = ("--select", "+fct_reconciliations", "+fct_freshness")


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """Three accounts: daily totals, one total for the month, no total."""
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        daily = [charge(day, f"{day.day}.005") for day in (FIRST, SECOND, THIRD)]
        stated = (total(FIRST, "3.005"), total(SECOND, "4.01", scale=2, terms=1))
        deliver(made, "totals", daily, controls=stated)
        invoiced = [charge(day, "1.5", invoice_id="INV-1") for day in OCTOBER]
        month = ControlTotal(OCTOBER, "USD", "billed_cost", Decimal("46.5"), "manifest")
        deliver(made, "month", invoiced, controls=(month,), billing_period=OCTOBER.first)
        deliver(made, "bare", daily)
        made.dbt("seed")
        made.build(*RECONCILED)
        yield made


def total(day: date, amount: str, **more: Any) -> ControlTotal:
    days = DayRange(day, day)
    return ControlTotal(days, "USD", "billed_cost", Decimal(amount), "statement", **more)


def deliver(
    marts: Warehouse,
    account: str,
    charges: list[dict[str, Any]],
    *,
    acceptance: Acceptance | None = None,
    **more: Any,
) -> LoadResult:
    days = DayRange(
        min(each["usage_date"] for each in charges), max(each["usage_date"] for each in charges)
    )
    with marts.database.connect("loader", autocommit=True) as conn:
        return load(
            conn,
            FOCUS_COSTS,
            fetched(days, account, **more),
            payload(f"{account} {charges}"),
            lambda: [batch(charges)],
            LoadOptions(TODAY, 3, acceptance=acceptance),
        )


def states(marts: Warehouse, account: str, where: str = "true") -> dict[Any, str]:
    """Return {(check, day or None, cost type): state}."""
    rows = marts.ask(
        "select check_name, usage_date, cost_type, state from marts.fct_reconciliations"
        f" where account_id = '{account}' and {where}"
    )
    return {tuple(row[:3]): row[3] for row in rows}


def billed(marts: Warehouse, account: str) -> dict[date, Decimal]:
    return dict(
        marts.ask(
            "select usage_date, sum(billed_cost) from marts.fct_daily_costs"
            f" where account_id = '{account}' group by 1"
        )
    )


def held(marts: Warehouse, account: str) -> dict[date, str]:
    return dict(
        marts.ask(
            "select usage_date, held_back from marts.fct_freshness"
            f" where account_id = '{account}' and held_back is not null"
        )
    )


def test_each_layer_is_compared_and_a_missing_total_is_no_match(marts: Warehouse) -> None:
    found = states(marts, "totals", f"usage_date = '{FIRST}'")
    layers = ("ledger_vs_raw", "raw_vs_staging", "staging_vs_charges", "charges_vs_daily")
    costs = ("billed_cost", "effective_cost", "list_cost", "contracted_cost")
    assert {key: state for key, state in found.items() if key[0] in layers} == {
        (layer, FIRST, each): "exact" for layer in layers for each in (*costs, "rows")
    }
    assert found["control_total", FIRST, "billed_cost"] == "exact"
    controlled = states(marts, "totals", "check_name = 'daily_vs_control'")
    assert controlled["daily_vs_control", FIRST, "billed_cost"] == "exact"
    assert controlled["daily_vs_control", SECOND, "billed_cost"] == "within rounding"
    assert controlled["daily_vs_control", THIRD, "billed_cost"] == "no control total"
    assert controlled["daily_vs_control", FIRST, "list_cost"] == "no control total"
    assert set(states(marts, "bare", "check_name = 'daily_vs_control'").values()) == {
        "no control total"
    }
    assert marts.ask(
        "select count(*) from marts.fct_reconciliations where state in ('exact', 'within rounding')"
        " and (right_amount is null or residual is null)"
    ) == [(0,)]


def test_a_total_of_the_month_is_compared_with_the_month(marts: Warehouse) -> None:
    assert marts.ask(
        "select check_name, grain, first_day, last_day, left_amount, right_amount, state"
        " from marts.fct_reconciliations where account_id = 'month' and usage_date is null"
        " and check_name <> 'invoice' order by 1"
    ) == [
        (name, "month", OCTOBER.first, OCTOBER.last, Decimal("46.5"), Decimal("46.5"), "exact")
        for name in ("control_total", "daily_vs_control")
    ]
    assert not states(marts, "month", "check_name = 'daily_vs_control' and grain = 'day'"
                      " and cost_type = 'billed_cost'")  # fmt: skip
    assert marts.ask(
        "select grain, invoice_id, left_amount, state from marts.fct_reconciliations"
        " where check_name = 'invoice' and account_id in ('month', 'bare') order by 1"
    ) == [
        ("invoice", "INV-1", Decimal("46.5"), "no control total"),
        ("month", None, Decimal("12.015"), "not comparable yet"),
    ]


def test_a_refused_day_shows_its_residual_until_a_person_lets_it_in(marts: Warehouse) -> None:
    rows = [charge(FIRST, "3.00"), charge(SECOND, "4.10")]
    stated = (total(FIRST, "3.01"), total(SECOND, "4.10"))
    refused = deliver(marts, "totals", rows, controls=stated)
    assert (refused.days("refused"), refused.days("replaced")) == ([FIRST], [SECOND])
    marts.build(*RECONCILED)
    assert held(marts, "totals") == {FIRST: "refused"}
    assert billed(marts, "totals")[FIRST] == Decimal("3.005")
    assert billed(marts, "totals")[SECOND] == Decimal("4.10")
    blocked = (
        "select check_name, left_amount, right_amount, residual, delivery_id, control_source"
        " from marts.fct_reconciliations where account_id = 'totals' and state = 'blocked'"
        " and check_name <> 'delivered_vs_standing'"
    )
    assert marts.ask(blocked) == [
        ("control_total", Decimal("3.00"), Decimal("3.01"), Decimal("-0.01"),
         refused.delivery_id, "statement")
    ]  # fmt: skip
    agreed = Acceptance(
        "dana", "cent lost in their rounding", refused.delivery_id, frozenset({FIRST})
    )
    deliver(marts, "totals", rows, acceptance=agreed, controls=stated)
    marts.build(*RECONCILED)
    assert held(marts, "totals") == {}
    assert billed(marts, "totals")[FIRST] == Decimal("3.00")
    assert marts.ask(
        "select check_name, state, accepted_by, accepted_reason from marts.fct_reconciliations"
        f" where account_id = 'totals' and usage_date = '{FIRST}'"
        " and state not in ('exact', 'no control total') order by 1"
    ) == [
        (name, "accepted", "dana", "cent lost in their rounding")
        for name in ("control_total", "daily_vs_control", "delivered_vs_standing")
    ]


def test_a_residual_in_raw_holds_back_its_own_day_and_nothing_else(marts: Warehouse) -> None:
    """A row vanishes from raw between load and build; dana accepts it; another delivery heals."""
    before = billed(marts, "bare")
    result = deliver(marts, "bare", [charge(FIRST, "5"), charge(FIRST, "6"), charge(SECOND, "7")])
    deliver(marts, "totals", [charge(THIRD, "9")])
    with marts.database.connect("loader", autocommit=True) as conn:
        conn.execute("delete from raw.focus_costs where account_id = 'bare' and billed_cost = 6")
    marts.build(*RECONCILED)
    assert billed(marts, "bare") == {**before, SECOND: Decimal(7)}
    assert billed(marts, "totals")[THIRD] == Decimal(9)
    assert held(marts, "bare") == {FIRST: "blocked"}
    blocked = states(marts, "bare", "state = 'blocked'")
    assert {key[:2] for key in blocked} == {("ledger_vs_raw", FIRST)}
    assert len(blocked) == 5  # four costs and the number of rows

    agreed = Acceptance("dana", "deleted on request", result.delivery_id, frozenset({FIRST}))
    with marts.database.connect("loader", autocommit=True) as conn:
        assert acceptances.accept_standing(conn, "bare", agreed)
    marts.build(*RECONCILED)
    assert billed(marts, "bare")[FIRST] == Decimal(5)
    assert held(marts, "bare") == {}
    assert set(states(marts, "bare", f"usage_date = '{FIRST}'").values()) == {
        "accepted", "exact", "no control total"
    }  # fmt: skip

    deliver(marts, "bare", [charge(FIRST, "12"), charge(FIRST, "1")])
    marts.build(*RECONCILED)
    assert "accepted" not in states(marts, "bare").values()


def test_a_rebuild_compares_the_same(marts: Warehouse) -> None:
    rows = "select * from marts.fct_reconciliations order by row(fct_reconciliations.*)::text"
    before = marts.ask(rows)
    marts.build("--full-refresh", *RECONCILED)
    assert marts.ask(rows) == before


def test_what_waited_is_compared_once_the_calendar_allows(marts: Warehouse) -> None:
    """A month that closes, a day that settles: as a rebuild of that day would have them."""
    settled = date(2026, 11, 19)
    stated = (total(settled, "1"),)
    deliver(marts, "totals", [charge(day, "1") for day in (settled, TODAY)], controls=stated)
    waiting = f"usage_date = '{TODAY}' and check_name = 'daily_vs_control'"
    compared = []
    for today in (TODAY, TODAY + timedelta(days=3), date(2026, 12, 15)):
        marts.build(*RECONCILED, today=today)
        day = states(marts, "totals", f"{waiting} and cost_type = 'billed_cost'")
        month = states(marts, "bare", "grain = 'month'")
        compared.append([*day.values(), *month.values()])
    assert compared == [
        ["not comparable yet", "not comparable yet"],
        ["no control total", "not comparable yet"],
        ["no control total", "no control total"],
    ]
    rows = "select * from marts.fct_reconciliations order by row(fct_reconciliations.*)::text"
    before = marts.ask(rows)
    marts.build("--full-refresh", *RECONCILED, today=today)
    assert marts.ask(rows) == before
