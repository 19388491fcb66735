"""The running month and what changed: exact arithmetic, and pages that agree with the marts."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.components import formats
from app.queries import drivers, month, tables
from app.queries.catalog import METRICS
from app.queries.compiler import CostQuery, compile_costs
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.people import Grant
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import THROUGH, ask, forget, sign_in
from tests.app.test_pages import metric
from tests.app.test_pages import run as open_page

NOVEMBER = DayRange(date(2026, 11, 1), date(2026, 11, 30))
amounts = st.decimals(min_value=-(10**9), max_value=10**9, places=12)


def test_a_burn_adds_up_and_compares_with_an_even_pace() -> None:
    rows = [
        {"period": date(2026, 11, day), "cost": Decimal(cost)}
        for day, cost in ((3, "20"), (1, "10.05"))
    ]
    first, third = month.burn(rows, NOVEMBER, Decimal(300))
    assert (first.day.day, first.spent, first.ahead) == (1, Decimal("10.05"), Decimal("0.05"))
    assert (third.day.day, third.spent, third.ahead) == (3, Decimal("30.05"), Decimal("0.05"))
    assert [point.ahead for point in month.burn(rows, NOVEMBER, None)] == [None, None]
    assert month.burn([], NOVEMBER, Decimal(300)) == []
    assert month.over(Decimal(310), Decimal(300)) == 10
    assert month.over(None, Decimal(300)) is None


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(("A", "B")), st.sampled_from([*drivers.DRIVERS, "unheard of"])),
        amounts,
    ),
    amounts,
)
def test_a_waterfall_ends_where_the_drivers_lead(
    deltas: dict[tuple[str, str], Decimal], before: Decimal
) -> None:
    rows = [
        {"service": service, "driver": name, "delta": delta}
        for (service, name), delta in deltas.items()
    ]
    after = before + sum(deltas.values())
    steps = drivers.waterfall(rows, before, after)
    labels = [step.label for step in steps]
    assert len(labels) == len(set(labels))
    assert drivers.residual(steps) == 0
    assert sum(step.amount for step in steps[1:-1]) == after - before
    off = drivers.waterfall(rows, before, after + Decimal("0.01"))
    assert drivers.residual(off) == Decimal("0.01")


@pytest.mark.integration
@pytest.mark.parametrize("basis", METRICS)
@pytest.mark.parametrize(
    "filters",
    [
        (),
        (("provider", ("Acme",)),),
        (("account", ("acme",)), ("service", ("Service B",)), ("region", ("eu-1",))),
        (("provider", ("Beta",)), ("account", ("acme",))),
    ],
)
def test_drivers_sum_to_the_change(
    marts: Database, basis: str, filters: tuple[tuple[str, tuple[str, ...]], ...]
) -> None:
    days = DayRange(THROUGH - timedelta(days=9), THROUGH)
    before = DayRange(THROUGH - timedelta(days=24), THROUGH - timedelta(days=10))
    query = CostQuery(days, "USD", basis, filters=filters)  # type: ignore[arg-type] # a key of the catalogue
    known = [
        {"account_id": "acme", "provider": "Acme"},
        {"account_id": "beta", "provider": "Beta"},
    ]
    now, then = (
        ask(compile_costs(CostQuery(each, "USD", basis, filters=filters)))[0]["cost"] or 0  # type: ignore[arg-type] # a key of the catalogue
        for each in (days, before)
    )
    alone, by_service = (
        ask(drivers.compile_drivers(query, before, known, by_service=each))
        for each in (False, True)
    )
    assert tables.add_up(row["delta"] for row in alone) == now - then
    steps = drivers.waterfall(by_service, Decimal(then), Decimal(now))
    assert drivers.residual(steps) == 0
    assert steps == drivers.waterfall(alone, Decimal(then), Decimal(now))
    assert bool(now - then) == ("beta" not in str(filters).lower())


@pytest.mark.integration
def test_who_sees_an_account_is_told_of_its_changes_alone(marts: Database) -> None:
    sign_in(marts, "of-acme", "viewer", Grant("account", "acme"))
    days = DayRange(THROUGH - timedelta(days=9), THROUGH)
    before = DayRange(THROUGH - timedelta(days=24), THROUGH - timedelta(days=10))
    of_acme, of_beta = (
        drivers.compile_drivers(CostQuery(days, currency), before, [], by_service=True)
        for currency in ("USD", "EUR")
    )
    assert ask(of_acme, "of-acme") == ask(of_acme) != []
    assert ask(of_beta, "of-acme") == []
    assert ask(of_beta) != []


@pytest.mark.integration
def test_the_page_says_why_costs_changed(marts: Database) -> None:
    at = open_page("costs", ccy="USD", period="30 days")
    at.session_state["why"] = True
    at.run()
    assert not at.exception and not at.error
    assert any("add up to the change exactly" in each.value for each in at.caption)
    assert not any("report this" in each.value for each in at.warning)
    at = open_page("costs", ccy="USD", period="30 days", region="No region")
    at.session_state["why"] = True
    at.run()
    assert any("Drivers are told of whole charges" in each.value for each in at.caption)


@pytest.mark.integration
def test_cards_without_forecast_budget_and_teams_say_so(marts: Database) -> None:
    at = open_page()
    assert not at.exception and not at.error
    assert metric(at, "Month forecast") == "n/a"
    assert metric(at, "Unallocated") == "n/a"
    assert metric(at, "Budgets") == "none"


@pytest.mark.integration
def test_forecast_and_unallocated_are_the_marts(marts: Database) -> None:
    first = THROUGH.replace(day=1)
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute(
            "insert into intermediate.forecasts (series_key, scope, provider, account_id,"
            " billing_currency, method, as_of, month, horizon, booked_cost, rest_cost, scale)"
            " values ('k', 'account', 'focus', 'acme', 'USD', 'test', %s, %s, 0, 100.25, 900.5, 1)",
            [THROUGH, first],
        )
        conn.execute(
            "update marts.fct_daily_team_costs set team = 'shop'"
            " where billing_currency = 'USD' and usage_date = %s",
            [THROUGH],
        )
        forget()
        at = open_page()
        share = ask(month.compile_unallocated(DayRange(first, THROUGH), "USD", "billed", ()))[0][
            "unallocated_percent"
        ]
        conn.execute("update marts.fct_daily_team_costs set team = null")
        conn.execute("delete from intermediate.forecasts where series_key = 'k'")
    forget()
    assert metric(at, "Month forecast") == formats.card(Decimal("1000.75"), "USD")
    assert metric(at, "Unallocated") == formats.percent(share)
    assert 0 < share < 100
