"""FOCUS files all the way into PostgreSQL: what the provider types, the raw table takes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.loader import LoadOptions, LoadResult, load
from tests.fixtures.focus_files import OCTOBER, account, line, write

pytestmark = pytest.mark.integration

OPTIONS = LoadOptions(today=date(2026, 10, 20), settle_days=FOCUS.settle_days)


@pytest.fixture
def landing(tmp_path_factory: pytest.TempPathFactory) -> LandingStore:
    return LandingStore(str(tmp_path_factory.mktemp("landing")))


def load_all(
    database: Database, landing: LandingStore, source: Account, days: DayRange = OCTOBER
) -> list[LoadResult]:
    with database.connect("loader") as conn:
        return [
            load(
                conn,
                FOCUS_COSTS,
                fetched,
                landing.put_manifest(fetched),
                lambda fetched=fetched: FOCUS.rows(fetched, landing),
                OPTIONS,
            )
            for fetched in FOCUS.fetch(source, "costs", days, landing)
        ]


def standing(database: Database, columns: str) -> list[tuple[object, ...]]:
    with database.connect("loader") as conn:
        query = f"select {columns} from raw.focus_costs order by usage_date, row_number"
        return psycopg.Cursor(conn).execute(query.encode()).fetchall()


def test_odd_cells_reach_the_table(
    database: Database, landing: LandingStore, tmp_path: Path
) -> None:
    rows = [
        line(Tags='{"a":"b","a":"c"}', x_note='say "hi"', ResourceName="ä\0b", cost="7E-06"),
        line(Tags="{'a': 1}", x_note="", ResourceName="", cost="-12345678901234.123456789012345"),
    ]
    write(tmp_path / "a.csv", rows)
    [result] = load_all(database, landing, account(tmp_path))
    assert (result.state, result.rows) == ("loaded", 2)
    assert standing(database, "billed_cost, tags, payload, resource_name") == [
        (
            Decimal("0.000007"),
            {"a": "c"},
            {"x_note": 'say "hi"', "x_raw_tags": '{"a":"b","a":"c"}'},
            "äb",
        ),
        (Decimal("-12345678901234.123456789012345"), None, {"x_raw_tags": "{'a': 1}"}, None),
    ]


def test_final_file_replaces_the_open_one(
    database: Database, landing: LandingStore, tmp_path: Path
) -> None:
    write(tmp_path / "2026-10_open.csv", [line(date(2026, 10, day), "1") for day in (5, 6)])
    load_all(database, landing, account(tmp_path))
    late = line(date(2026, 10, 5), "5", ChargePeriodStart="2026-09-30T00:00:00Z")
    final = [line(date(2026, 10, 5), "1"), line(date(2026, 10, 6), "3"), late]
    write(tmp_path / "2026-10_final.csv", final)
    [result] = load_all(database, landing, account(tmp_path))
    assert result.state == "loaded"
    assert standing(database, "usage_date, billing_period, billed_cost") == [
        (date(2026, 9, 30), date(2026, 10, 1), Decimal(5)),
        (date(2026, 10, 5), date(2026, 10, 1), Decimal(1)),
        (date(2026, 10, 6), date(2026, 10, 1), Decimal(3)),
    ]


def test_one_bill_in_csv_and_parquet_is_one_bill(
    database: Database, landing: LandingStore, tmp_path: Path
) -> None:
    rows = [line(cost="1.50", Tags='{"a": "b"}', x_note="y"), line(cost="2.5000", x_note="")]
    write(tmp_path / "1" / "a.csv", rows)
    write(tmp_path / "2" / "a.parquet", [{key: row.get(key) for key in rows[0]} for row in rows])
    load_all(database, landing, account(tmp_path / "1"))
    [result] = load_all(database, landing, account(tmp_path / "2"))
    assert result.days("loaded") == []
    assert date(2026, 10, 5) in result.days("unchanged")


def test_faulty_row_blocks_its_day_only(
    database: Database, landing: LandingStore, tmp_path: Path
) -> None:
    rows = [line(date(2026, 10, 5)), line(date(2026, 10, 5), "1,000"), line(date(2026, 10, 6))]
    write(tmp_path / "a.csv", rows)
    [result] = load_all(database, landing, account(tmp_path))
    assert result.quarantined_rows == 1
    assert standing(database, "usage_date") == [(date(2026, 10, 6),)]
