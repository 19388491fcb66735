"""Claim: Spark makes charges and daily costs of line items as PostgreSQL does, row by row, exactly.

The same month of awkward bills goes through the loader into PostgreSQL and as Parquet into the
landing store. dbt builds fct_daily_costs on both: on PostgreSQL from raw rows, on Spark (two
executors, processes of their own) from the Parquet files; its sums come back into PostgreSQL, where
all columns of all rows are compared. Differences are then planted: in what comes back, and in what
is compared.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, RowBatch
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.warehouse import line_item_sums, line_items
from astraeus_pipeline.warehouse.landing import StoredPayload
from astraeus_pipeline.warehouse.line_items import Order, Standing
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from benchmarks.awkward_bills import MONTH, Bill, estate
from benchmarks.deliveries import land, read_rows
from benchmarks.marts import Build, Marts
from benchmarks.measure import machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import Scratch, scratch
from benchmarks.spark import MASTER, Spark

T = TypeVar("T")
OPTIONS = LoadOptions(today=MONTH.last + timedelta(days=40), settle_days=3)
_NEXT = DayRange.of_month(MONTH.end)
_BACK = ("intermediate", "daily_costs_summed")
# Marts that Spark makes, too, and that do not come back: read as it wrote them. Charges with all
# that they tell, tags as JSON.
OTHERS = ("fct_daily_resource_costs", "fct_daily_sku_costs", "fct_charges")
_COMPARED = """
    with postgres as (select {columns} from {postgres}),
    spark as (select {columns} from {spark})
    select
        (select count(*) from postgres),
        (select count(*) from spark),
        (select count(*) from (select * from postgres except all select * from spark) as missing),
        (select count(*) from (select * from spark except all select * from postgres) as more)
"""


@dataclass(frozen=True)
class Compared:
    """Rows of both sides, and of each those that the other lacks."""

    postgres: int
    spark: int
    missing: int
    more: int

    @property
    def differing(self) -> int:
        """Rows that only one side has."""
        return self.missing + self.more


class Warehouse:
    """The bills in both places."""

    def __init__(self, place: Scratch, bills: list[Bill]) -> None:
        self.place, self.bills = place, bills
        self.of_account = {bill.account_id: bill for bill in bills}
        self.marts = Marts(place)
        self.marts.prepare()

    def load(self) -> None:
        """Load all bills; restate the first one, then let the next month correct a day of it."""
        for bill in self.bills:
            self._load(bill)
        first = self.bills[0]
        self._load(Bill(first.number, first.rows_per_day, first.table, refresh=1))
        path = first.write_correction(self.place.home / "correction.parquet")
        self._load_file(first.account_id, path, _NEXT)

    def order(self) -> Order:
        """Write line items and an order for all of them."""
        with self.place.database.connect("dbt", autocommit=True) as conn:
            deliveries = line_items.standing_deliveries(conn)
        order = line_items.place_order(self.place.landing, deliveries, self._read)
        assert not order.refused, order.refused
        return order

    def take_back(self, order: Order) -> line_item_sums.Taken:
        """Take back what Spark summed."""
        with self.place.database.connect("dbt", autocommit=True) as conn:
            return line_item_sums.take_back(conn, self.place.landing, order.name)

    def compare(self, mart: str = line_item_sums.MART, spark: tuple[str, str] = _BACK) -> Compared:
        """Compare all columns of all rows, in exact decimals."""
        row = self.place.admin.execute(
            sql.SQL(_COMPARED).format(
                columns=sql.SQL(", ").join(map(sql.Identifier, self._columns(mart))),
                postgres=sql.Identifier("marts", mart),
                spark=sql.Identifier(*spark),
            )
        ).fetchone()
        assert row is not None
        return Compared(*row)

    def compare_as_written(self, order: Order, mart: str) -> Compared:
        """Compare a mart with what Spark wrote of it."""
        folder, columns = self.place.home / "landing" / order.folder / mart, self._columns(mart)
        admin = self.place.admin
        admin.execute("create schema if not exists spark")
        names = {"mart": sql.Identifier("marts", mart), "spark": sql.Identifier("spark", mart)}
        admin.execute(sql.SQL("create table {spark} (like {mart})").format(**names))
        copying = sql.SQL("copy {spark} ({columns}) from stdin").format(
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)), **names
        )
        with admin.cursor() as cursor, cursor.copy(copying) as copy:
            for path in folder.glob("*.parquet"):
                for row in pq.read_table(path, columns=columns).to_pylist():
                    copy.write_row(list(row.values()))
        return self.compare(mart, ("spark", mart))

    def _columns(self, mart: str) -> list[str]:
        return [
            row[0]
            for row in self.place.admin.execute(
                "select column_name from information_schema.columns where table_schema = 'marts'"
                " and table_name = %s order by ordinal_position",
                [mart],
            )
        ]

    def _load(self, bill: Bill) -> None:
        if bill.table is FOCUS_COSTS:
            path = bill.write(self.place.home / f"{bill.account_id}-{bill.refresh}.parquet")
            self._load_file(bill.account_id, path, MONTH)
            return
        fetched = Fetched(bill.account_id, "costs", MONTH, "export", "benchmark", (), MONTH.first)
        with self.place.database.connect("loader", autocommit=True) as conn:
            payload = StoredPayload("none", bill.account_id, 0)
            loaded = load(
                conn, bill.table, fetched, payload, lambda: map(RowBatch, bill.rows()), OPTIONS
            )
            _check(loaded.state)

    def _load_file(self, account_id: str, path: Any, month: DayRange) -> None:
        fetched, payload = land(self.place.landing, account_id, [path], month)
        read = read_rows(fetched, self.place.landing)
        with self.place.database.connect("loader", autocommit=True) as conn:
            _check(load(conn, FOCUS_COSTS, fetched, payload, read, OPTIONS).state)

    def _read(self, standing: Standing) -> Iterable[RowBatch]:
        if standing.payload_uri == "none":
            return map(RowBatch, self.of_account[standing.account_id].rows())
        landing = self.place.landing
        return FOCUS.rows(landing.read_manifest(standing.payload_uri), landing)


def plant_in_sums(place: Scratch, order: Order) -> None:
    """Change one amount that Spark summed by 1e-24."""
    folder = place.home / "landing" / order.folder / line_item_sums.MART
    path = next(
        each for each in sorted(folder.glob("*.parquet")) if pq.read_metadata(each).num_rows
    )
    table = pq.read_table(path)
    at = table.schema.get_field_index("billed_cost")
    amounts = table.column(at).to_pylist()
    amounts[0] += amounts[0].__class__("1e-24")
    path.unlink()
    pq.write_table(
        table.set_column(at, table.field(at), pa.array(amounts, table.field(at).type)), path
    )


def plant_in_mart(admin: psycopg.Connection, sign: str) -> None:
    """Change one amount that came back by 1e-24."""
    admin.execute(
        f"update intermediate.daily_costs_summed set billed_cost = billed_cost {sign} 1e-24"
        " where ctid = (select min(ctid) from intermediate.daily_costs_summed)".encode()
    )


def _check(state: str) -> None:
    assert state == "loaded", state


@dataclass(frozen=True)
class Sides:
    """What each side took, in seconds, and what came of it."""

    order: Order
    postgres: Build
    writing: float
    building: float
    returning: float
    taken: line_item_sums.Taken
    compared: dict[str, Compared]


def main() -> None:
    """Build on both, compare, plant, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=10)
    parser.add_argument("--rows-per-day", type=int, default=2000)
    parser.add_argument("--master", default=MASTER, help="Spark's master")
    parser.add_argument(
        "--quick", action="store_true", help="some hundred line items on one core, not written down"
    )
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.accounts, chosen.rows_per_day, chosen.master = 5, 2, "local[1]"
    with scratch() as place:
        spark = Spark.find(place.home / "spark")
        warehouse = Warehouse(place, estate(chosen.accounts, chosen.rows_per_day))
        warehouse.load()
        postgres = warehouse.marts.build(
            "PostgreSQL", "--select", *(f"+{each}" for each in (line_item_sums.MART, *OTHERS))
        )
        order, writing = _timed(warehouse.order)
        landing = str(place.home / "landing")
        _, building = _timed(lambda: spark.build(landing, order.folder, chosen.master))
        taken, returning = _timed(lambda: warehouse.take_back(order))
        others = {each: warehouse.compare_as_written(order, each) for each in OTHERS}
        compared = {line_item_sums.MART: warehouse.compare(), **others}
        sides = Sides(order, postgres, writing, building, returning, taken, compared)
        plant_in_mart(place.admin, "+")
        seen = warehouse.compare()
        plant_in_mart(place.admin, "-")
        plant_in_sums(place, order)
        held_back = warehouse.take_back(order).held_back
        on = machine(place.admin) | {"spark": spark.version()}
        report = _report(sides, seen, len(held_back), on, vars(chosen))
    raise SystemExit(0 if (report.show() if chosen.quick else report.publish()) else 1)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def _report(
    sides: Sides, seen: Compared, held_back: int, on: dict[str, str], options: dict[str, Any]
) -> Report:
    compared, taken = sides.compared[line_item_sums.MART], sides.taken
    return Report(
        name="second_engine",
        title=f"Charges and daily marts of {sides.order.rows:,} lines on PostgreSQL and on Spark",
        machine=on,
        options=options,
        header=("what", "rows", "s"),
        rows=[
            (
                "PostgreSQL: dbt from raw rows to these marts, tie-out too",
                f"{compared.postgres:,}",
                f"{sides.postgres.cost.wall:.1f}",
            ),
            (
                "line items of the landing store's payloads as Parquet",
                f"{sides.order.rows:,}",
                f"{sides.writing:.1f}",
            ),
            (
                "Spark: dbt from Parquet to the same marts, its start too",
                f"{compared.spark:,}",
                f"{sides.building:.1f}",
            ),
            ("back into PostgreSQL, tied out", f"{taken.daily_costs:,}", f"{sides.returning:.1f}"),
        ],
        goals=[
            *(
                Goal(f"rows of {mart} that differ, of {each.spark:,}", float(each.differing), 0.0)
                for mart, each in sides.compared.items()
            ),
            Goal("slices that do not tie out", float(len(taken.held_back)), 0.0),
            Goal(
                "rows compared in each of the marts",
                float(min(each.spark for each in sides.compared.values())),
                1.0,
                at_least=True,
            ),
            Goal(
                "rows seen to differ after one amount was changed by 1e-24",
                float(seen.differing),
                2.0,
                at_least=True,
            ),
            Goal(
                "slices held back after one sum of Spark's was changed by 1e-24",
                float(held_back),
                1.0,
                at_least=True,
            ),
        ],
        notes=(
            f"{sides.order.slices:,} slices; a changed row differs twice: one is missing, one too"
            " many.",
            "Both sides share two cores with whatever else runs (load average above): seconds say"
            " that it works, no more.",
        ),
    )


if __name__ == "__main__":
    main()
