"""Why costs changed: drivers that sum to the change exactly, whatever the periods and filters."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from astraeus_pipeline.cli import app
from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse
from tests.fixtures.estate import installed

pytestmark = pytest.mark.integration

OPTIONS: Final = LoadOptions(today=TODAY, settle_days=3)
BEFORE, AFTER = date(2026, 5, 4), date(2026, 5, 11)  # one day a period, hand-made charges
FIRST, LAST = date(2026, 9, 1), date(2026, 11, 15)
BASES: Final = ("effective_cost", "billed_cost", "list_cost", "contracted_cost")
NO_QUANTITY, NOT_LOADED = "unexplained: no quantity", "unexplained: account not loaded"
# The function's filters, and what they are called in fct_daily_costs.
FILTERS: Final = {
    "providers": "provider",
    "accounts": "account_id",
    "sub_accounts": "sub_account_id",
    "service_categories": "service_category",
    "services": "service_name",
    "regions": "region_id",
    "charge_categories": "charge_category",
}
# Some of what each of them may be asked for.
MEMBERS: Final[dict[str, list[str | None]]] = {
    "providers": ["nobody", "focus"],
    "accounts": ["one", "two", "hand"],
    "service_categories": ["Compute", None],
    "services": ["Service 1", "Service 2", "Service 3"],
    "charge_categories": ["Tax", "Usage"],
}
Charges = Sequence[dict[str, Any]]


def hours(day: date, quantity: str, cost: str, **more: Any) -> dict[str, Any]:
    """Return usage of an article by the hour."""
    priced = {"pricing_quantity": Decimal(quantity), "pricing_unit": "Hours", "sku_id": "sku-1"}
    return charge(day, cost, **(priced | more))


def covered(day: date, quantity: str, agreed: str, effective: str, **more: Any) -> dict[str, Any]:
    """Return usage that a commitment pays for."""
    return hours(
        day,
        quantity,
        agreed,
        effective_cost=Decimal(effective),
        billed_cost=Decimal(0),
        commitment_discount_id="plan-1",
        commitment_discount_status="Used",
        **more,
    )


def fee(day: date, billed: str, **more: Any) -> dict[str, Any]:
    """Return a month's purchase of a commitment."""
    return charge(
        day,
        billed,
        charge_category="Purchase",
        effective_cost=Decimal(0),
        commitment_discount_id="plan-1",
        **more,
    )


def by_hand() -> list[dict[str, Any]]:
    """Return two days' charges, a service for each kind of change."""

    def of(name: str, before: Charges, after: Charges) -> list[dict[str, Any]]:
        return [{**each, "service_name": name} for each in (*before, *after)]

    a, b = BEFORE, AFTER
    plain, euro = {"charge_category": "Tax"}, {"billing_currency": "EUR"}
    return [
        *of("Price", [hours(a, "10", "20")], [hours(b, "10", "25")]),
        *of("Usage", [hours(a, "10", "20")], [hours(b, "15", "36")]),
        *of("Thirds", [hours(a, "3", "1")], [hours(b, "4", "1.5")]),
        *of("New", [], [hours(b, "1", "7")]),
        *of("Gone", [hours(a, "1", "8")], []),
        *of(
            "Article",
            [hours(a, "1", "5"), hours(a, "2", "4", sku_id="sku-2")],
            [hours(b, "1", "5"), hours(b, "2", "6", sku_id="sku-3")],
        ),
        *of(
            "Committed",
            [hours(a, "10", "100")],
            [
                covered(b, "10", "100", "60"),
                charge(b, "0", effective_cost=Decimal(5), commitment_discount_id="plan-1",
                       commitment_discount_status="Unused"),
                fee(b, "80"),
            ],
        ),
        *of("Taxed", [charge(a, "19", **plain)], [charge(b, "21", **plain)]),
        *of(
            "Credited",
            [charge(a, "-10", charge_category="Credit")],
            [
                charge(b, "-4", charge_category="Credit"),
                charge(b, "-1", charge_category="Adjustment"),
            ],
        ),
        *of("Vague", [charge(a, "7")], [charge(b, "9")]),
        *of("Free", [hours(a, "0", "0")], [hours(b, "3", "6")]),
        *of("Euro", [hours(a, "1", "1", **euro)], [hours(b, "3", "3", **euro)]),
    ]  # fmt: skip


def estate(seed: int, days: DayRange) -> list[dict[str, Any]]:
    """Return charges of everything a bill may hold, with awkward decimals, missing quantities."""
    chance = random.Random(seed)
    rows = []
    for day in days:
        for _ in range(chance.randint(2, 9)):
            cost = f"{chance.uniform(-1, 40):.9f}"
            quantity = chance.choice((None, "0", f"{chance.uniform(0.001, 9):.6f}"))
            more: dict[str, Any] = {
                "service_name": f"Service {chance.randint(1, 5)}",
                "sku_id": chance.choice((None, f"sku-{chance.randint(1, 4) + day.month}")),
                "sub_account_id": chance.choice((None, "red", "blue")),
                "region_id": chance.choice((None, "eu-west-1", "us-east-1")),
                "billing_currency": chance.choice(("USD", "USD", "EUR")),
                "charge_category": chance.choice(
                    ("Usage",) * 8 + ("Purchase", "Tax", "Credit", "Adjustment")
                ),
                **{name: Decimal(f"{chance.uniform(-1, 40):.7f}") for name in BASES},
            }
            if quantity is not None:
                unit = chance.choice(("Hours", "GB"))
                more |= {"pricing_quantity": Decimal(quantity), "pricing_unit": unit}
            if chance.random() < 0.3:
                status = chance.choice((None, "Used", "Unused"))
                more |= {"commitment_discount_id": "plan", "commitment_discount_status": status}
            rows.append(charge(day, cost, **more))
    return rows


def deliver(marts: Warehouse, account: str, rows: Charges) -> None:
    days = [row["usage_date"] for row in rows]
    with marts.database.connect("loader", autocommit=True) as conn:
        read = batch(rows)
        description = fetched(DayRange(min(days), max(days)), account)
        load(conn, FOCUS_COSTS, description, payload(account), lambda: [read], OPTIONS)


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        deliver(made, "hand", by_hand())
        deliver(made, "late", [hours(AFTER, "2", "50", service_name="Late")])
        deliver(made, "one", estate(1, DayRange(FIRST, LAST)))
        deliver(made, "two", estate(2, DayRange(FIRST + timedelta(days=20), LAST)))
        made.dbt("seed")
        made.build("--select", "+fct_total_sku_costs", "+fct_freshness")
        yield made


def explained(
    marts: Warehouse, first_a: date, last_a: date, first_b: date, last_b: date, **more: Any
) -> dict[tuple[str, ...], Decimal]:
    """Return the change by (currency, driver)."""
    named = "".join(f", {name} => %({name})s" for name in more)
    with marts.database.connect("operator") as conn:
        rows = conn.execute(
            "select billing_currency, driver, delta from marts.explain_cost_change("
            f"%(first_a)s, %(last_a)s, %(first_b)s, %(last_b)s{named})".encode(),
            {"first_a": first_a, "last_a": last_a, "first_b": first_b, "last_b": last_b, **more},
        ).fetchall()
    found = {tuple(row[:2]): row[2] for row in rows}
    assert len(found) == len(rows)
    return found


def of_service(marts: Warehouse, name: str, **more: Any) -> dict[str, Decimal]:
    """Return what the hand-made service's change is made of, zeros left out."""
    found = explained(marts, BEFORE, BEFORE, AFTER, AFTER, services=[name], **more)
    assert {currency for currency, _ in found} == {"EUR" if name == "Euro" else "USD"}
    return {driver: delta for (_, driver), delta in found.items() if delta}


def amounts(**given: str) -> dict[str, Decimal]:
    return {name: Decimal(amount) for name, amount in given.items()}


@pytest.mark.parametrize(
    ("service", "drivers"),
    [
        ("Price", amounts(price="5")),
        ("Usage", amounts(usage="10", price="6")),
        ("New", amounts(new="7")),
        ("Gone", amounts(gone="-8")),
        ("Article", amounts(gone="-4", new="6")),
        ("Taxed", amounts(tax="2")),
        ("Credited", amounts(credit="6", adjustment="-1")),
        ("Vague", {NO_QUANTITY: Decimal(2)}),
        ("Free", {NO_QUANTITY: Decimal(6)}),
        ("Late", {NOT_LOADED: Decimal(50)}),
        ("Euro", amounts(usage="2")),
        # the plan covers 100 for 60, and 5 of it nobody used; hours and prices are as before
        ("Committed", amounts(commitment="-35")),
    ],
)
def test_each_driver_by_hand(marts: Warehouse, service: str, drivers: dict[str, Decimal]) -> None:
    assert of_service(marts, service) == drivers


def test_a_commitment_by_what_is_billed_and_listed(marts: Warehouse) -> None:
    """Billed is its fee instead of the hours; by agreed prices nothing but the fee changed."""
    assert of_service(marts, "Committed", basis="billed_cost") == amounts(commitment="-20")
    assert of_service(marts, "Committed", basis="contracted_cost") == amounts(commitment="80")


def test_what_cannot_be_divided_is_whole_in_the_sum(marts: Warehouse) -> None:
    found = of_service(marts, "Thirds")
    assert sum(found.values()) == Decimal("0.5")
    assert found["usage"].quantize(Decimal("0.000001")) == Decimal("0.333333")


def test_periods_exchanged_is_the_change_turned_around(marts: Warehouse) -> None:
    forth = explained(marts, BEFORE, BEFORE, AFTER, AFTER, accounts=["hand"])
    back = explained(marts, AFTER, AFTER, BEFORE, BEFORE, accounts=["hand"])
    for one, other in (("new", "gone"), ("tax", "tax"), ("commitment", "commitment")):
        assert forth["USD", one] == -back["USD", other]
    assert explained(marts, AFTER, AFTER, AFTER, AFTER, accounts=["hand"])
    assert not any(explained(marts, AFTER, AFTER, AFTER, AFTER).values())


def test_services_and_articles_are_named_where_asked(marts: Warehouse) -> None:
    asked = "select service_name, sku, pricing_unit, delta from marts.explain_cost_change({})"
    days = f"'{BEFORE}', '{BEFORE}', '{AFTER}', '{AFTER}', accounts => array['hand']"
    by_service = dict.fromkeys(
        row[0] for row in marts.ask(asked.format(f"{days}, by_service => true"))
    )
    assert {"Price", "Usage", "New", "Gone", "Euro"} <= set(by_service)
    by_sku = marts.ask(asked.format(f"{days}, services => array['Article'], by_sku => true"))
    assert ("Article", "sku-3", "Hours", Decimal(6)) in by_sku
    assert ("Article", "sku-2", "Hours", Decimal(-4)) in by_sku


def test_a_question_that_makes_no_sense_is_refused(marts: Warehouse) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="'net_cost'"):
        explained(marts, BEFORE, BEFORE, AFTER, AFTER, basis="net_cost")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="ends before it begins"):
        explained(marts, AFTER, BEFORE, AFTER, AFTER)


def test_the_residual_of_a_thousand_pairs_of_slices_is_zero(marts: Warehouse) -> None:
    """Drivers sum to what the daily costs say: any two periods, any filters, any cost."""
    chance = random.Random(20261125)
    members = {
        name: [row[0] for row in marts.ask(f"select distinct {column} from marts.fct_daily_costs")]
        for name, column in FILTERS.items()
    }
    span = (LAST - FIRST).days
    told, seen = 0, set[str]()
    with marts.database.connect("operator") as conn:
        for _ in range(1000):
            start = [FIRST + timedelta(days=chance.randint(-2, span)) for _ in "ab"]
            given: dict[str, Any] = {
                "first_a": start[0],
                "last_a": start[0] + timedelta(days=chance.randint(0, 35)),
                "first_b": start[1],
                "last_b": start[1] + timedelta(days=chance.randint(0, 35)),
                "basis": chance.choice(BASES),
                "currency": chance.choice((None, None, "USD", "EUR")),
            }
            for name in chance.sample(list(FILTERS), chance.randint(0, 3)):
                known = members[name]
                given[name] = chance.sample(known, chance.randint(1, len(known)))
            drivers, change = _both_sides(conn, given)
            assert {key: sum(deltas.values()) for key, deltas in drivers.items()} == change, given
            seen.update(driver for deltas in drivers.values() for driver in deltas)
            told += bool(change)
    assert told > 800
    assert seen == {
        *("new", "gone", "price", "usage", "commitment", "credit", "tax", "adjustment"),
        *(NO_QUANTITY, NOT_LOADED),
    }


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(*(st.integers(-5, 80) for _ in "ab"), *(st.integers(0, 90) for _ in "ab")),
    st.fixed_dictionaries(
        {"basis": st.sampled_from(BASES), "currency": st.sampled_from(("USD", None))}
    ),
    st.dictionaries(st.sampled_from(list(MEMBERS)), st.integers(1, 2), max_size=2),
)
# accounts that only one of the periods has, all of them
@example((-120, 30, 0, 10), {"basis": "billed_cost", "currency": None}, {})
def test_sums_by_period_and_over_accounts_explain_as_the_days_do(
    marts: Warehouse,
    drawn: tuple[int, ...],
    asked: dict[str, str | None],
    wanted: dict[str, int],
) -> None:
    """Named accounts are found in rows of their own, sub accounts in the daily ones: all here."""
    first_a, first_b, more_a, more_b = drawn
    starts = (first_a, first_a + more_a, first_b, first_b + more_b)
    days = [FIRST + timedelta(days=start) for start in starts]
    more = {**asked, **{name: MEMBERS[name][-count:] for name, count in wanted.items()}}
    answer = _lines(marts, days, **more)
    assert answer == _lines(marts, days, sub_accounts=["red", "blue", None], **more)
    if "accounts" not in more:
        assert answer == _lines(marts, days, accounts=["hand", "late", "one", "two"], **more)


@pytest.mark.parametrize(
    ("mart", "accounts"), [("fct_sku_costs", ["one", "two"]), ("fct_total_sku_costs", None)]
)
def test_whole_months_and_weeks_are_read_as_such(
    marts: Warehouse, mart: str, accounts: list[str] | None
) -> None:
    """From 7 September to 31 October: three weeks, three days, a month; none of their days."""
    days = (date(2026, 9, 7), date(2026, 10, 31), date(2026, 11, 10), date(2026, 11, 10))
    read = [
        ("month", date(2026, 10, 1)),
        *(("week", date(2026, 9, day)) for day in (7, 14, 21)),
        *(("day", date(2026, 9, day)) for day in (28, 29, 30)),
        ("day", date(2026, 11, 10)),
    ]
    kept = " or ".join(f"grain = '{grain}' and period_start = '{day}'" for grain, day in read)
    told = _lines(marts, days, accounts=accounts)
    with marts.database.connect("dbt") as conn:
        conn.execute(f"delete from marts.{mart} where not ({kept})".encode())
        assert _lines(marts, days, conn, accounts=accounts) == told
        # without any of them it is another answer; a row is left, or else there are no totals
        for grain, day in read[:-1]:
            row = f"grain = '{grain}' and period_start = '{day}'"
            conn.execute(f"delete from marts.{mart} where {row}".encode())
            less = _lines(marts, days, conn, accounts=accounts)
            assert less != told
            told = less
        conn.rollback()


def _lines(
    marts: Warehouse, days: Sequence[date], conn: psycopg.Connection | None = None, **more: Any
) -> list[tuple[Any, ...]]:
    """Return all that the function tells, each amount with all its digits."""
    if conn is None:
        with marts.database.connect("operator") as own:
            return _lines(marts, days, own, **more)
    named = "".join(f", {name} => %({name})s" for name in more)
    given = dict(zip(("first_a", "last_a", "first_b", "last_b"), days, strict=True))
    rows = conn.execute(
        "select billing_currency, driver, service_name, sku, pricing_unit, delta::text"
        " from marts.explain_cost_change(%(first_a)s, %(last_a)s, %(first_b)s, %(last_b)s"
        f"{named}, by_sku => true)".encode(),
        given | more,
    )
    return rows.fetchall()


def _both_sides(
    conn: psycopg.Connection, given: dict[str, Any]
) -> tuple[dict[str, dict[str, Decimal]], dict[str, Decimal]]:
    """Return the drivers by currency, and the change by the daily costs."""
    named = ", ".join(f"{name} => %({name})s" for name in given)
    drivers: dict[str, dict[str, Decimal]] = {}
    asked = f"select billing_currency, driver, delta from marts.explain_cost_change({named})"
    for currency, driver, delta in conn.execute(asked.encode(), given):
        drivers.setdefault(currency, {})[driver] = delta
    where = "".join(
        f" and array_position(%({name})s::text[], {FILTERS[name]}) is not null"
        for name in given
        if name in FILTERS
    )
    cost = given["basis"]
    rows = conn.execute(
        "select billing_currency,"
        f" coalesce(sum({cost}) filter (where usage_date between %(first_b)s and %(last_b)s), 0)"
        f" - coalesce(sum({cost}) filter (where usage_date between %(first_a)s and %(last_a)s), 0)"
        " from marts.fct_daily_costs"
        " where (usage_date between %(first_a)s and %(last_a)s"
        "  or usage_date between %(first_b)s and %(last_b)s)"
        f" and (%(currency)s::text is null or billing_currency = %(currency)s){where}"
        " group by 1".encode(),
        given,
    )
    return drivers, dict(rows.fetchall())


def test_the_command_tells_change_drivers_and_days_not_loaded(
    marts: Warehouse, tmp_path_factory: pytest.TempPathFactory
) -> None:
    days = ("--from-a", str(BEFORE), "--to-a", str(BEFORE), "--from-b", str(AFTER), "--to-b")
    with installed(marts.database, tmp_path_factory.mktemp("home")):
        scope = ("explain", *days, str(AFTER), "--account", "hand", "--service", "Usage")
        shown = CliRunner().invoke(app, scope)
        assert shown.exit_code == 0, shown.output
        assert "Days not loaded" not in shown.output
        told = json.loads(CliRunner().invoke(app, (*scope, "--by-service", "--json")).stdout)
        longer = CliRunner().invoke(app, ("explain", *days, "2026-05-12", "--account", "hand"))
    assert told["totals"] == [{"currency": "USD", "before": "20", "after": "36", "change": "16"}]
    assert told["drivers"] == [
        {"currency": "USD", "service": "Usage", "driver": "usage", "change": "10"},
        {"currency": "USD", "service": "Usage", "driver": "price", "change": "6"},
    ]
    assert "Days not loaded" in longer.output and "2026-05-12" in longer.output
