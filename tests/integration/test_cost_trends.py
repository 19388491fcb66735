"""Trends against the charges themselves, summed up one period at a time in plain Python."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse

pytestmark = pytest.mark.integration

OPTIONS: Final = LoadOptions(today=TODAY, settle_days=3)
FIRST, LAST = date(2025, 9, 10), date(2026, 11, 12)
GAP: Final = DayRange(date(2026, 10, 6), date(2026, 10, 7))
ONE: Final = timedelta(days=1)
MODELS: Final = (
    "int_raw_reconciliations", "fct_charges", "fct_daily_sku_costs", "int_cost_series",
    "int_daily_unit_costs", "int_service_days", "fct_cost_trends",
)  # fmt: skip
COLUMNS: Final = (
    "loaded_days", "is_whole", "effective_cost", "usage_cost", "mean_7_days_cost",
    "mean_28_days_cost", "month_to_date_cost", "run_rate_cost", "last_month_cost",
    "last_month_delta", "last_month_growth", "last_year_cost", "last_year_growth", "is_new",
    "is_gone", "pricing_unit", "pricing_quantity", "unit_cost", "last_month_unit_cost",
    "last_year_unit_cost",
)  # fmt: skip
EVERY_ROW: Final = (
    "select md5(row::text) from marts.fct_cost_trends as row order by account_id, grain,"
    " period_start, billing_currency, service_name, sub_account_id"
)
Series = tuple[str, str]  # service and currency
Key = tuple[str, str, str, date]  # grain, service, currency, first day


def bill(day: date) -> list[dict[str, Any]]:
    """Return a day's charges of an account: steady, ended, begun, monthly, in two currencies."""
    wave = Decimal((day.toordinal() * 37) % 11)
    hours = {"pricing_unit": "Hours", "pricing_quantity": 10 + wave}
    size = {"pricing_unit": "GB-Months", "pricing_quantity": Decimal("3.7")}
    rows = [
        charge(day, str(20 + 2 * wave), service_name="Compute", sku_id="a", **hours),
        charge(day, "1.3", service_name="Compute", sku_id="b", **size),
        charge(
            day,
            str(round(5 + wave / 7, 12)),
            service_name="Storage",
            billing_currency="EUR",
            **size,
        ),
        charge(day, "0.11", service_name="Storage", **size),
    ]
    if day <= date(2026, 9, 10):
        rows.append(charge(day, "4", service_name="Ended"))
    if day >= date(2026, 10, 20):
        rows.append(charge(day, "6", service_name="Begun", **hours))
    if day.weekday() == 2 and day.day < 22:
        rows.append(charge(day, "3", service_name="Seldom"))
    if day.day == 1:
        rows.append(charge(day, "90", service_name="Support", charge_category="Purchase"))
        rows.append(charge(day, "7.77", service_name="Compute", charge_category="Tax"))
    return rows


@dataclass
class Ledger:
    """What was delivered: each day's charges, and what must follow from them."""

    marts: Warehouse
    account: str = "acme"
    days: dict[date, dict[Series, list[dict[str, Any]]]] = field(default_factory=dict)

    def deliver(self, bill: dict[date, list[dict[str, Any]]]) -> None:
        first, last = min(bill), max(bill)
        assert len(bill) == (last - first).days + 1
        rows = [row for charges in bill.values() for row in charges]
        with self.marts.database.connect("loader", autocommit=True) as conn:
            stored = payload(f"{self.account} {first} {last} {len(rows)}")
            description = fetched(DayRange(first, last), self.account)
            result = load(conn, FOCUS_COSTS, description, stored, lambda: [batch(rows)], OPTIONS)
        assert set(bill) == set(result.days("replaced"))
        for day, charges in bill.items():
            self.days[day] = {}
            for row in charges:
                series = (row["service_name"], row["billing_currency"])
                self.days[day].setdefault(series, []).append(row)

    def total(self, series: Series, days: Iterable[date], *, usage: bool = False) -> Decimal:
        return sum((row["effective_cost"] for row in self._rows(series, days, usage)), Decimal(0))

    def charged(self, series: Series, first: date, last: date) -> bool:
        return any(self._rows(series, DayRange(first, last), False))

    def price(self, series: Series, days: Iterable[date], unit: str | None) -> Decimal | None:
        rows = [r for r in self._rows(series, days, True) if unit and r.get("pricing_unit") == unit]
        quantity = sum((row["pricing_quantity"] for row in rows), Decimal(0))
        return sum((r["effective_cost"] for r in rows), Decimal(0)) / quantity if rows else None

    def main_unit(self, series: Series, days: list[date]) -> tuple[str | None, Decimal | None]:
        costs: dict[str, Decimal] = {}
        quantities: dict[str, Decimal] = {}
        for row in self._rows(series, days, True):
            if unit := row.get("pricing_unit"):
                costs[unit] = costs.get(unit, Decimal(0)) + row["effective_cost"]
                quantities[unit] = quantities.get(unit, Decimal(0)) + row["pricing_quantity"]
        if not costs:
            return None, None
        unit = min(costs, key=lambda name: (-costs[name], name))
        return unit, quantities[unit]

    def _rows(self, series: Series, days: Iterable[date], usage: bool) -> Iterator[dict[str, Any]]:
        for day in days:
            for row in self.days.get(day, {}).get(series, ()):
                if not usage or row["charge_category"] == "Usage":
                    yield row

    def series(self) -> set[Series]:
        return {series for rows in self.days.values() for series in rows}


def bounds(grain: str, day: date) -> tuple[date, date]:
    """Return the first and the last day of the day's period."""
    if grain == "week":
        first = day - timedelta(days=day.weekday())
        return first, first + timedelta(days=6)
    if grain == "month":
        return day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1])
    return day, day


def months_before(day: date, months: int) -> date | None:
    """Return the day of the same number, if that month has it."""
    index = day.year * 12 + day.month - 1 - months
    year, month = index // 12, index % 12 + 1
    return date(year, month, day.day) if day.day <= monthrange(year, month)[1] else None


def compared(grain: str, days: list[date], months: int, *, whole: bool) -> list[date]:
    if grain == "week":
        return [day - timedelta(days=28 if months == 1 else 364) for day in days]
    if grain == "month" and whole:
        start = months_before(days[0], months)
        assert start is not None
        return list(DayRange.of_month(start))
    return [other for day in days if (other := months_before(day, months))]


def expected(ledger: Ledger) -> dict[Key, tuple[Any, ...]]:
    """Return what each row must say, in the order of COLUMNS."""
    periods = {(grain, *bounds(grain, day)) for day in ledger.days for grain in GRAINS}
    return {
        (grain, *series, first): values
        for grain, first, last in periods
        for series in ledger.series()
        if (values := row_of(ledger, series, grain, first, last)) is not None
    }


GRAINS: Final = ("day", "week", "month")


def row_of(
    ledger: Ledger, series: Series, grain: str, first: date, last: date
) -> tuple[Any, ...] | None:
    days = [day for day in DayRange(first, last) if day in ledger.days]
    whole = len(days) == (last - first).days + 1
    cost, usage = ledger.total(series, days), ledger.total(series, days, usage=True)
    is_charged = any(ledger.charged(series, day, day) for day in days)
    looks_back = months_before(first, 1) if grain == "month" else first - timedelta(days=31)
    assert looks_back is not None
    others = [compared(grain, days, months, whole=whole) for months in (1, 12)]
    known = [bool(other) and all(day in ledger.days for day in other) for other in others]
    then = [
        ledger.total(series, other) if is_known else None
        for other, is_known in zip(others, known, strict=True)
    ]
    had_charge = any(ledger.charged(series, day, day) for day in others[0])
    if grain == "month":
        if not is_charged and not had_charge:
            return None
        is_gone = not is_charged
    else:
        if not any(ledger.charged(series, day - timedelta(days=31), day) for day in days):
            return None
        is_gone = not ledger.charged(series, days[-1] - timedelta(days=30), days[-1])
    is_new = is_charged and not ledger.charged(series, looks_back, first - ONE)
    unit, quantity = ledger.main_unit(series, days)
    prices = [
        ledger.price(series, other, unit) if is_known else None
        for other, is_known in zip(others, known, strict=True)
    ]
    return (
        *(len(days), whole, cost, usage),
        *paces(ledger, series, grain, first, (cost, usage, len(days))),
        *(then[0], cost - then[0] if then[0] is not None else None),
        *(growth(cost, then[0]), then[1], growth(cost, then[1])),
        *((is_new, is_gone) if known[0] else (None, None)),
        *(unit, quantity, ledger.price(series, days, unit), *prices),
    )


def growth(cost: Decimal, before: Decimal | None) -> Decimal | None:
    return (cost - before) / before if before else None


def paces(
    ledger: Ledger, series: Series, grain: str, first: date, sums: tuple[Decimal, Decimal, int]
) -> tuple[Decimal | None, ...]:
    """Return the means of 7 and 28 days, the month to date and the run rate."""
    if grain == "week":
        return (None, None, None, None)
    start, end = bounds("month", first)
    in_month = (end - start).days + 1
    if grain == "month":
        cost, usage, loaded = sums
        return (None, None, None, cost + usage / loaded * (in_month - loaded))
    means = []
    for length in (7, 28):
        span = [d for d in DayRange(first - (length - 1) * ONE, first) if d in ledger.days]
        means.append(ledger.total(series, span) / len(span))
    so_far = [day for day in DayRange(start, first) if day in ledger.days]
    cost, usage = ledger.total(series, so_far), ledger.total(series, so_far, usage=True)
    return (*means, cost, cost + usage / len(so_far) * (in_month - len(so_far)))


def rounded(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(round(v, 9) if isinstance(v, Decimal) else v for v in values)


def told(marts: Warehouse, account: str = "acme") -> dict[Key, tuple[Any, ...]]:
    """Return the mart's rows of an account."""
    rows = marts.ask(
        f"select grain, service_name, billing_currency, period_start, {', '.join(COLUMNS)}"
        f" from marts.fct_cost_trends where account_id = '{account}'"
    )
    found = {tuple(row[:4]): rounded(row[4:]) for row in rows}
    assert len(found) == len(rows)
    return found


def assert_as_summed(ledger: Ledger) -> None:
    wanted = {key: rounded(values) for key, values in expected(ledger).items()}
    found = told(ledger.marts, ledger.account)
    assert set(found) == set(wanted)
    wrong = {
        key: [
            (name, is_, should)
            for name, is_, should in zip(COLUMNS, found[key], wanted[key], strict=True)
            if is_ != should
        ]
        for key in wanted
        if found[key] != wanted[key]
    }
    assert not wrong, dict(sorted(wrong.items())[:3])


@pytest.fixture(scope="module")
def ledger(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as marts:
        made = Ledger(marts)
        made.deliver({day: bill(day) for day in DayRange(FIRST, GAP.first - ONE)})
        made.deliver({day: bill(day) for day in DayRange(GAP.last + ONE, LAST)})
        other = Ledger(marts, "other")
        other.deliver({day: bill(day) for day in DayRange(date(2026, 10, 1), LAST)})
        marts.dbt("seed")
        marts.build("--select", "+fct_cost_trends")
        yield made


def test_every_row_is_what_the_charges_say(ledger: Ledger) -> None:
    assert_as_summed(ledger)


def test_a_month_by_hand(ledger: Ledger) -> None:
    """November so far: twelve days, against the first twelve of an October that lacks two."""
    rows = ledger.marts.ask(
        "select service_name, loaded_days, is_whole, effective_cost, last_month_cost,"
        " run_rate_cost, is_new, is_gone from marts.fct_cost_trends where account_id = 'acme'"
        " and grain = 'month' and period_start = '2026-11-01'"
        " and service_name in ('Support', 'Begun') order by 1"
    )
    # a fee of a month is no pace
    assert rows == [
        ("Begun", 12, False, Decimal(72), None, Decimal(180), None, None),
        ("Support", 12, False, Decimal(90), None, Decimal(90), None, None),
    ]
    [november] = ledger.marts.ask(
        "select last_month_cost, last_month_delta, last_month_growth, is_new from"
        " marts.fct_cost_trends where account_id = 'other' and grain = 'month' and period_start ="
        " '2026-11-01' and service_name = 'Begun'"
    )
    assert november == (Decimal(0), Decimal(72), None, False)  # charged since October


def test_no_day_to_compare_with_is_null_and_not_zero(ledger: Ledger) -> None:
    asked = (
        "select last_month_cost, last_month_delta, last_year_cost from marts.fct_cost_trends"
        " where account_id = 'acme' and grain = 'day' and service_name = 'Compute'"
        " and period_start = '{}'"
    )
    of_gap = ledger.marts.ask(asked.format("2026-11-06"))
    assert of_gap[0][:2] == (None, None) and of_gap[0][2] is not None
    assert ledger.marts.ask(asked.format("2026-07-31"))[0][:2] == (None, None)  # no 31 June
    assert ledger.marts.ask(asked.format(FIRST + 40 * ONE))[0][2] is None


def test_new_and_gone_are_told_once(ledger: Ledger) -> None:
    def told_of(column: str, service: str) -> dict[str, list[date]]:
        rows = ledger.marts.ask(
            f"select grain, array_agg(period_start order by period_start) from"
            f" marts.fct_cost_trends where account_id = 'acme' and {column}"
            f" and service_name = '{service}' group by 1"
        )
        return dict(rows)

    assert told_of("is_gone", "Ended") == {
        "day": [date(2026, 10, 11)],
        "week": [date(2026, 10, 5)],
        "month": [date(2026, 10, 1)],
    }
    assert told_of("is_new", "Begun")["day"] == [date(2026, 10, 20)]
    assert not told_of("is_new", "Support") and not told_of("is_gone", "Support")


def test_movers_are_ranked_within_account_and_currency(ledger: Ledger) -> None:
    rows = ledger.marts.ask(
        "select billing_currency, mover_rank, last_month_delta from marts.fct_cost_trends where"
        " account_id = 'acme' and grain = 'month' and period_start = '2026-08-01' order by 1, 2"
    )
    dollars = [row for row in rows if row[0] == "USD"]
    assert [row[1] for row in dollars] == list(range(1, len(dollars) + 1))
    moves = [abs(row[2]) for row in dollars]
    assert moves == sorted(moves, reverse=True) and moves[0] > moves[-1]
    assert [row[1] for row in rows if row[0] == "EUR"] == [1]


def test_increments_are_what_a_rebuild_says(ledger: Ledger) -> None:
    """An old day, the newest, the gap, an earlier one: only what they reach is rewritten."""
    marts = ledger.marts

    def versions() -> dict[Any, Any]:
        rows = marts.ask(
            "select account_id, grain, period_start, min(xmin::text), max(xmin::text)"
            " from marts.fct_cost_trends group by 1, 2, 3",
            "dbt",
        )
        return {tuple(row[:3]): row[3:] for row in rows}

    def restated(day: date, *kept: int) -> dict[date, list[dict[str, Any]]]:
        return {
            day: [*(bill(day)[place] for place in kept), charge(day, "2", service_name="Extra")]
        }

    before = versions()
    changed = date(2026, 3, 31)
    ledger.deliver(restated(changed, 0, 1, 2))
    marts.build("--select", *MODELS)
    after = versions()
    assert_as_summed(ledger)
    reached = {key[1:] for key in after if after[key] != before.get(key)}
    assert {key[0] for key in after if after[key] != before.get(key)} == {"acme"}
    assert {("day", changed), ("day", changed + 31 * ONE), ("week", date(2026, 3, 30)),
            ("month", date(2026, 3, 1)), ("month", date(2026, 4, 1))} <= reached  # fmt: skip
    assert ("day", changed - ONE) not in reached and ("month", date(2026, 6, 1)) not in reached

    ledger.deliver(restated(date(2025, 10, 31), 0, 2, 3))
    ledger.deliver({LAST + ONE: bill(LAST + ONE)})
    marts.build("--select", *MODELS)
    assert_as_summed(ledger)

    ledger.deliver({day: bill(day) for day in GAP})
    ledger.deliver({FIRST - ONE: bill(FIRST - ONE)})
    marts.build("--select", *MODELS)
    assert_as_summed(ledger)

    increments = marts.ask(EVERY_ROW)
    marts.build("--select", "fct_cost_trends", "--full-refresh")
    assert marts.ask(EVERY_ROW) == increments


def test_costs_by_article_and_trends_tie_to_the_daily_costs(ledger: Ledger) -> None:
    ledger.marts.build("--select", "fct_daily_costs")
    rules = ("sku_costs_equal_daily_costs", "trends_equal_daily_costs")

    def verdicts() -> list[str]:
        statuses = ledger.marts.dbt("test", "--select", *rules)
        return [statuses[rule] for rule in rules]

    assert verdicts() == ["pass", "pass"]
    for mart in ("fct_daily_sku_costs", "fct_cost_trends"):
        with ledger.marts.database.connect("dbt", autocommit=True) as conn:
            conn.execute(
                f"update marts.{mart} set effective_cost = effective_cost + 0.000001"
                f" where ctid = (select min(ctid) from marts.{mart})".encode()
            )
    assert verdicts() == ["fail", "fail"]
