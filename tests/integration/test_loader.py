"""The loader on a real PostgreSQL: nothing lost, nothing twice, nothing half."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from astraeus_pipeline.contracts import AWS_COSTS, FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Reject, RowBatch
from astraeus_pipeline.errors import LoadError
from astraeus_pipeline.warehouse.acceptances import Acceptance
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, LoadResult, load
from tests.fixtures.charges import MONTH, batch, charge, fetched, payload

pytestmark = pytest.mark.integration

TODAY = date(2026, 10, 20)
OPTIONS = LoadOptions(today=TODAY, settle_days=3)
OPEN_DAY, SETTLED_DAY = TODAY - timedelta(days=1), TODAY - timedelta(days=10)


@pytest.fixture
def conn(database: Database) -> Iterator[psycopg.Connection]:
    with database.connect("loader") as connection:
        connection.autocommit = True
        yield connection


def deliver(
    conn: psycopg.Connection,
    name: str,
    charges: list[dict[str, Any]],
    days: DayRange | None = None,
    rejects: tuple[Reject, ...] = (),
    options: LoadOptions = OPTIONS,
    **more: Any,
) -> LoadResult:
    days = days or DayRange(
        min(c["usage_date"] for c in charges), max(c["usage_date"] for c in charges)
    )
    return load(
        conn,
        FOCUS_COSTS,
        fetched(days, **more),
        payload(name),
        lambda: [batch(charges, rejects)],
        options,
    )


def billed(conn: psycopg.Connection) -> dict[date, Decimal]:
    rows = conn.execute("select usage_date, sum(billed_cost) from raw.focus_costs group by 1")
    return dict(rows.fetchall())


def one(conn: psycopg.Connection, query: str) -> Any:
    row = conn.execute(query).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def test_first_load_stands_with_its_ledger_row(conn: psycopg.Connection) -> None:
    result = deliver(conn, "a", [charge(OPEN_DAY, "0.000000000001"), charge(SETTLED_DAY, "-3.5")])
    assert result.state == "loaded"
    assert billed(conn) == {OPEN_DAY: Decimal("0.000000000001"), SETTLED_DAY: Decimal("-3.5")}
    assert one(conn, "select rows, state, sums->'USD'->>'billed_cost' from raw.deliveries") == (
        2,
        "loaded",
        "-3.499999999999",
    )
    # The eight days between came without rows and lie before the last row: known to be empty.
    assert one(conn, "select count(*) from raw.partitions where rows = 0") == 8
    assert one(conn, "select count(*) from raw.restatements") == 0


def test_the_same_payload_again_writes_one_ledger_row(conn: psycopg.Connection) -> None:
    deliver(conn, "a", [charge(OPEN_DAY)])
    before = one(conn, "select array_agg(ctid::text) from raw.focus_costs")
    assert deliver(conn, "a", [charge(OPEN_DAY)]).state == "unchanged"
    assert one(conn, "select array_agg(ctid::text) from raw.focus_costs") == before
    assert one(conn, "select count(*) from raw.deliveries") == 2


def test_equal_rows_in_another_payload_rewrite_nothing(conn: psycopg.Connection) -> None:
    rows = [charge(OPEN_DAY, "1"), charge(OPEN_DAY, "2"), charge(SETTLED_DAY, "3")]
    deliver(conn, "a", rows)
    before = one(conn, "select array_agg(ctid::text) from raw.focus_costs")
    assert deliver(conn, "b", rows[::-1]).state == "unchanged"
    assert one(conn, "select array_agg(ctid::text) from raw.focus_costs") == before
    assert one(conn, "select count(distinct delivery_id) from raw.partitions") == 1


def test_only_the_changed_day_is_rewritten_and_its_delta_noted(conn: psycopg.Connection) -> None:
    deliver(conn, "a", [charge(OPEN_DAY, "5"), charge(SETTLED_DAY, "7")])
    result = deliver(conn, "b", [charge(OPEN_DAY, "6.25"), charge(SETTLED_DAY, "7")])
    assert result.days("replaced") == [OPEN_DAY]
    assert billed(conn) == {OPEN_DAY: Decimal("6.25"), SETTLED_DAY: Decimal("7")}
    assert one(
        conn,
        "select usage_date, old_cost, new_cost, delta, supersedes from raw.restatements"
        " where cost_type = 'billed_cost'",
    ) == (OPEN_DAY, Decimal(5), Decimal("6.25"), Decimal("1.25"), result.delivery_id - 1)
    assert one(conn, "select supersedes from raw.deliveries order by id desc limit 1") == (
        result.delivery_id - 1
    )


def test_an_open_day_that_comes_back_empty_becomes_empty(conn: psycopg.Connection) -> None:
    days = DayRange(OPEN_DAY - timedelta(days=1), OPEN_DAY)
    deliver(conn, "a", [charge(days.first, "5"), charge(days.last, "7")], days)
    result = deliver(conn, "b", [charge(days.first, "5")], days)
    assert result.days("emptied") == [OPEN_DAY]
    assert billed(conn) == {days.first: Decimal(5)}
    assert one(conn, "select delta from raw.restatements limit 1") == Decimal(-7)


def test_a_settled_day_that_shrinks_waits_for_an_equal_second_delivery(
    conn: psycopg.Connection,
) -> None:
    days = DayRange(SETTLED_DAY, OPEN_DAY)
    deliver(conn, "a", [charge(SETTLED_DAY, "5")] * 4 + [charge(OPEN_DAY)], days)
    shrunk = [charge(SETTLED_DAY, "5"), charge(OPEN_DAY, "2")]
    first = deliver(conn, "b", shrunk, days)
    assert first.state == "refused"
    assert "shrank from 4 to 1 rows" in str(first.conclusion.reason)
    assert billed(conn) == {SETTLED_DAY: Decimal(20), OPEN_DAY: Decimal(2)}  # the other day went in
    assert deliver(conn, "b", shrunk, days).state == "loaded"
    assert billed(conn)[SETTLED_DAY] == Decimal(5)


def test_a_settled_day_whose_money_collapses_is_refused_until_a_person_accepts(
    conn: psycopg.Connection,
) -> None:
    deliver(conn, "a", [charge(SETTLED_DAY, "100")])
    assert deliver(conn, "b", [charge(SETTLED_DAY, "49.99")]).state == "refused"
    agreed = Acceptance("dana", "credit agreed by phone", 2, frozenset({SETTLED_DAY}))
    accepted = LoadOptions(TODAY, 3, acceptance=agreed)
    assert deliver(conn, "b", [charge(SETTLED_DAY, "49.99")], options=accepted).state == "loaded"
    assert one(conn, "select accepted_by, accepted_reason from raw.deliveries where id = 3") == (
        "dana",
        "credit agreed by phone",
    )


def test_a_bad_row_blocks_its_day_and_only_its_day(conn: psycopg.Connection) -> None:
    bad = Reject(9, '{"BilledCost": "12,5"}', "billed_cost: not a number", OPEN_DAY)
    rows = [charge(OPEN_DAY, "1"), charge(SETTLED_DAY, "2")]
    result = deliver(conn, "a", rows, rejects=(bad,))
    assert result.state == "quarantined"
    assert billed(conn) == {SETTLED_DAY: Decimal(2)}
    assert one(conn, "select usage_date, row_number, reason from raw.quarantine") == (
        OPEN_DAY,
        9,
        "billed_cost: not a number",
    )
    assert one(conn, "select usage_date from raw.partitions where state = 'blocked'") == OPEN_DAY
    deliver(conn, "b", rows)
    assert billed(conn) == {OPEN_DAY: Decimal(1), SETTLED_DAY: Decimal(2)}
    assert one(conn, "select count(*) from raw.partitions where state <> 'loaded'") == 0


def test_a_row_without_a_day_blocks_the_whole_delivery(conn: psycopg.Connection) -> None:
    deliver(conn, "a", [charge(OPEN_DAY, "1")])
    bad = Reject(2, "{}", "charge_period_start: null")
    assert deliver(conn, "b", [charge(OPEN_DAY, "2")], rejects=(bad,)).state == "quarantined"
    assert billed(conn) == {OPEN_DAY: Decimal(1)}


def control(amount: str, **more: Any) -> ControlTotal:
    days = DayRange(OPEN_DAY, OPEN_DAY)
    return ControlTotal(days, "USD", "billed_cost", Decimal(amount), "test total", **more)


def test_a_payload_that_contradicts_its_control_total_is_refused(conn: psycopg.Connection) -> None:
    result = deliver(conn, "a", [charge(OPEN_DAY, "1.00")], controls=(control("1.01"),))
    assert result.state == "refused"
    assert billed(conn) == {}
    assert one(conn, "select controls->0->>'residual' from raw.deliveries") == "-0.01"
    assert deliver(conn, "b", [charge(OPEN_DAY, "1.01")], controls=(control("1.01"),)).state == (
        "loaded"
    )


def test_an_accepted_day_stays_accepted_until_another_delivery_comes(
    conn: psycopg.Connection,
) -> None:
    """Two refused days, one let in: an equal delivery stays, other rows or totals are judged."""
    days = DayRange(OPEN_DAY - timedelta(days=1), OPEN_DAY)
    rows = [charge(day, "1.00") for day in days]

    def stated(amount: str) -> tuple[ControlTotal, ...]:
        day_by_day = (DayRange(day, day) for day in days)
        return tuple(
            ControlTotal(day, "USD", "billed_cost", Decimal(amount), "test total")
            for day in day_by_day
        )

    refused = deliver(conn, "a", rows, controls=stated("1.01"))
    assert refused.days("refused") == list(days)
    one_day = Acceptance("dana", "rebate outside of the bill", refused.delivery_id, {OPEN_DAY})
    accepted = LoadOptions(TODAY, 3, acceptance=one_day)
    let_in = deliver(conn, "a", rows, options=accepted, controls=stated("1.01"))
    assert let_in.days("replaced") == [OPEN_DAY]
    assert billed(conn) == {OPEN_DAY: Decimal(1)}
    assert one(conn, "select usage_date from raw.partitions where state = 'refused'") == days.first
    again = deliver(conn, "again", rows, controls=stated("1.01"))
    assert (again.days("unchanged"), again.days("refused")) == ([OPEN_DAY], [days.first])
    for name, cost, total in (("total", "1.00", "1.02"), ("rows", "1.005", "1.01")):
        other = [charge(day, cost) for day in days]
        assert deliver(conn, name, other, controls=stated(total)).days("refused") == list(days)
    assert one(
        conn,
        "select accepted_by, reason, refused_delivery_id, delivery_id, objection like '%-0.01'"
        " from raw.acceptances",
    ) == ("dana", "rebate outside of the bill", refused.delivery_id, let_in.delivery_id, True)


def test_rounding_of_the_control_total_is_allowed_and_no_more(conn: psycopg.Connection) -> None:
    rounded = {"scale": 2, "terms": 2}
    ok = deliver(conn, "a", [charge(OPEN_DAY, "1.006")] * 2, controls=(control("2.02", **rounded),))
    assert ok.state == "loaded"
    off = deliver(
        conn, "b", [charge(OPEN_DAY, "1.004")] * 2, controls=(control("2.02", **rounded),)
    )
    assert off.state == "refused"


def test_a_manifest_that_announces_other_rows_is_refused(conn: psycopg.Connection) -> None:
    assert deliver(conn, "a", [charge(OPEN_DAY)], expected_rows=2).state == "refused"
    assert billed(conn) == {}


def test_a_correction_in_a_later_month_stands_beside_the_day_it_corrects(
    conn: psycopg.Connection,
) -> None:
    september = date(2026, 9, 28)
    first = {"days": DayRange.of_month(september), "billing_period": date(2026, 9, 1)}
    second = {"days": DayRange(MONTH, OPEN_DAY), "billing_period": MONTH}
    correction = charge(september, "-1", billing_period=MONTH, charge_class="Correction")
    deliver(conn, "sep", [charge(september, "10")], **first)
    deliver(conn, "oct", [charge(OPEN_DAY, "3"), correction], **second)
    assert billed(conn) == {september: Decimal(9), OPEN_DAY: Decimal(3)}
    deliver(conn, "oct2", [charge(OPEN_DAY, "3")], **second)  # settled: refused once
    deliver(conn, "oct2", [charge(OPEN_DAY, "3")], **second)
    assert billed(conn) == {september: Decimal(10), OPEN_DAY: Decimal(3)}
    deliver(conn, "sep2", [charge(september, "11")], **first)
    assert billed(conn) == {september: Decimal(11), OPEN_DAY: Decimal(3)}


def test_two_currencies_are_tied_apart(conn: psycopg.Connection) -> None:
    rows = [charge(OPEN_DAY, "1"), charge(OPEN_DAY, "2", billing_currency="EUR")]
    deliver(conn, "a", rows)
    assert one(
        conn, "select sums->'EUR'->>'billed_cost', sums->'USD'->>'billed_cost' from raw.partitions"
    ) == ("2", "1")


@pytest.mark.parametrize("stands", [True, False])
def test_a_payload_that_breaks_off_leaves_everything_as_it_was(
    conn: psycopg.Connection, stands: bool
) -> None:
    if stands:
        deliver(conn, "a", [charge(OPEN_DAY, "1")])

    def read() -> Iterator[RowBatch]:
        yield batch([charge(OPEN_DAY, "2")] * 50)
        raise ConnectionResetError("cut off")

    with pytest.raises(ConnectionResetError):
        load(conn, FOCUS_COSTS, fetched(DayRange(OPEN_DAY, OPEN_DAY)), payload("b"), read, OPTIONS)
    assert billed(conn) == ({OPEN_DAY: Decimal(1)} if stands else {})
    assert one(conn, "select count(*) from raw.deliveries") == int(stands)


def test_an_answer_about_other_days_is_refused(conn: psycopg.Connection) -> None:
    with pytest.raises(LoadError, match="also answered for"):
        deliver(conn, "a", [charge(OPEN_DAY)], DayRange(SETTLED_DAY, SETTLED_DAY))


def test_two_loads_of_one_account_wait_for_each_other(database: Database) -> None:
    results: list[str] = []

    def work(name: str, cost: str) -> None:
        with database.connect("loader") as own:
            own.autocommit = True
            rows = [charge(OPEN_DAY, cost)] * 20
            results.extend(deliver(own, name, rows).state for _ in range(5))

    threads = [threading.Thread(target=work, args=(n, c)) for n, c in (("a", "1"), ("b", "2"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 10
    with database.connect("loader") as check:
        total = one(check, "select sum(billed_cost) from raw.focus_costs")
        delta = one(
            check,
            "select coalesce(sum(delta), 0) from raw.restatements where cost_type = 'billed_cost'",
        )
        first = one(
            check, "select (sums->'USD'->>'billed_cost')::numeric from raw.deliveries where id = 1"
        )
    assert total in (Decimal(20), Decimal(40))
    assert first + delta == total  # deltas lead from the first state to the standing one


def test_no_decimal_is_rounded(conn: psycopg.Connection) -> None:
    cost = "12345678.123456789012345678901234567890"
    load(
        conn,
        FOCUS_COSTS,
        fetched(DayRange(OPEN_DAY, OPEN_DAY)),
        payload("a"),
        lambda: [batch([charge(OPEN_DAY, cost)] * 3, scale=30)],
        OPTIONS,
    )
    assert billed(conn) == {OPEN_DAY: Decimal("37037034.370370367037037036703703703670")}


def test_a_day_that_does_not_tie_is_refused_and_the_others_load(conn: psycopg.Connection) -> None:
    days = DayRange(OPEN_DAY - timedelta(days=1), OPEN_DAY)
    controls = tuple(
        ControlTotal(DayRange(day, day), "USD", "billed_cost", Decimal(4), "provider")
        for day in days
    )
    rows = [charge(days.first, "4"), charge(days.last, "3.99")]
    result = deliver(conn, "a", rows, days, controls=controls)
    assert (result.state, result.days("refused")) == ("refused", [OPEN_DAY])
    assert billed(conn) == {days.first: Decimal(4)}
    healed = deliver(conn, "b", [rows[0], charge(days.last, "4")], days, controls=controls)
    assert (healed.state, healed.days("replaced")) == ("loaded", [OPEN_DAY])


def test_a_day_with_a_total_and_no_row_is_refused_and_no_day_to_come(
    conn: psycopg.Connection,
) -> None:
    """The last page is lost: its days are not simply later ones, since the provider counts them."""
    days = DayRange(SETTLED_DAY, OPEN_DAY)
    stated = ControlTotal(DayRange(OPEN_DAY, OPEN_DAY), "USD", "billed_cost", Decimal(2), "test")
    result = deliver(conn, "a", [charge(SETTLED_DAY)], days, controls=(stated,))
    assert (result.days("replaced"), result.days("refused")) == ([SETTLED_DAY], [OPEN_DAY])
    held = "select state, rows, delivery_id is null from raw.partitions where usage_date = '{}'"
    assert one(conn, held.format(OPEN_DAY)) == ("refused", 0, True)
    assert one(conn, "select count(*) from raw.partitions") == 2  # the days between are to come
    whole = [charge(SETTLED_DAY), charge(OPEN_DAY, "2")]
    assert deliver(conn, "b", whole, days, controls=(stated,)).state == "loaded"
    assert one(conn, held.format(OPEN_DAY)) == ("loaded", 1, False)


def test_a_source_in_another_shape_takes_the_place_of_the_first(conn: psycopg.Connection) -> None:
    days = DayRange(OPEN_DAY, OPEN_DAY)
    line = {
        "usage_date": OPEN_DAY,
        "billing_period": OPEN_DAY.replace(day=1),
        "linked_account_id": "111111111111",
        "record_type": "Usage",
        "service": "Compute",
        "currency": "USD",
        **{name: Decimal(5) for name in AWS_COSTS.cost_types},
    }
    load(
        conn,
        AWS_COSTS,
        fetched(days),
        payload("api"),
        lambda: [batch([line], table=AWS_COSTS)],
        OPTIONS,
    )
    result = deliver(conn, "export", [charge(OPEN_DAY, "5.5")])
    assert one(conn, "select count(*) from raw.aws_costs") == 0
    assert billed(conn) == {OPEN_DAY: Decimal("5.5")}
    assert one(conn, "select raw_table, delivery_id from raw.partitions") == (
        "focus_costs",
        result.delivery_id,
    )
    assert one(
        conn,
        "select sum(delta) from raw.restatements where cost_type in"
        " ('billed_cost', 'net_unblended_cost')",
    ) == Decimal("0.5")
