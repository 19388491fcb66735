"""Line items as Parquet and their sums back again: exact, tied out, nothing superseded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, cast

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.azure import AZURE_COSTS_EXPORT
from astraeus_pipeline.contracts.columns import arrow_type
from astraeus_pipeline.contracts.delivery import RowBatch
from astraeus_pipeline.errors import ConfigError, LoadError
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.settings import PROJECT_ROOT
from astraeus_pipeline.warehouse import housekeeping, line_item_sums, line_items
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.housekeeping import Retention
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.line_item_sums import COLUMNS, Taken
from astraeus_pipeline.warehouse.line_items import Order, Standing
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from astraeus_pipeline.warehouse.object_stores import Objects
from astraeus_pipeline.warehouse.survey import Survey
from benchmarks.awkward_azure import export_rows
from benchmarks.awkward_bills import MONTH, Bill
from benchmarks.deliveries import land, read_rows

pytestmark = pytest.mark.integration

OPTIONS = LoadOptions(today=MONTH.end, settle_days=3)
COSTS = ("list_cost", "contracted_cost", "effective_cost", "billed_cost")
KEYS = ["account_id", "usage_date", "billing_period", "delivery_id"]
BILL = Bill(0, 40, FOCUS_COSTS)


class Place:
    """A database with an awkward bill, a landing store, and an engine that sums in Arrow."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        self.landing = LandingStore(str(folder / "landing"))
        macro = (PROJECT_ROOT / "dbt_project/macros/engines/summed.sql").read_text()
        body = re.search(r"create_summed_tables\(\) %}(.*){% endmacro", macro, re.S)
        assert body is not None
        with database.connect("dbt", autocommit=True) as conn:
            conn.execute("create schema if not exists intermediate")
            conn.execute(body.group(1).encode())

    def load(self, bill: Bill) -> None:
        path = bill.write(self.folder / f"{bill.refresh}.parquet")
        fetched, payload = land(self.landing, bill.account_id, [path], MONTH)
        with self.database.connect("loader", autocommit=True) as conn:
            read = read_rows(fetched, self.landing)
            assert load(conn, FOCUS_COSTS, fetched, payload, read, OPTIONS).state == "loaded"

    def order(self, *, is_everything: bool = True) -> Order:
        with self.database.connect("dbt", autocommit=True) as conn:
            standing = line_items.standing_deliveries(conn, is_everything=is_everything)
        return line_items.place_order(self.landing, standing, self.read)

    def read(self, standing: Standing) -> Iterable[RowBatch]:
        return FOCUS.rows(self.landing.read_manifest(standing.payload_uri), self.landing)

    def rows(self, order: Order) -> pa.Table:
        """Return the line items that an order means."""
        slices = pq.read_table(self.folder / "landing" / order.folder / line_items.SLICES)
        files = [each for each in slices["file"].unique().to_pylist() if each]
        rows = [pq.ParquetFile(self.folder / "landing" / each).read() for each in files]
        return pa.concat_tables(rows).join(slices.select(KEYS), KEYS, join_type="left semi")

    def sum_up(self, order: Order, *, lost: int = 0, more: Decimal = Decimal(0)) -> None:
        """Do an engine's work, a line per slice and currency; `lost` and `more` are its faults."""
        rows = self.rows(order).slice(lost)
        for cost in COSTS:
            at = rows.schema.get_field_index(cost)
            rows = rows.set_column(at, cost, pc.coalesce(rows[cost], rows["billed_cost"]))
        summed = rows.group_by([*KEYS, "billing_currency"], use_threads=False).aggregate(
            [*((cost, "sum") for cost in COSTS), ([], "count_all")]
        )
        renamed = {f"{cost}_sum": cost for cost in COSTS} | {"count_all": "charges"}
        lines = summed.rename_columns([renamed.get(n, n) for n in summed.schema.names]).to_pylist()
        lines[0]["billed_cost"] += more
        for line in lines:
            line |= {"provider": "focus", "service_name": "s", "charge_category": "Usage"}
            line |= {"is_final": False, "is_invoiced": False, "loaded_at": datetime.now(UTC)}
        table = pa.Table.from_pylist(lines, pa.schema([(name, _type(name)) for name in COLUMNS]))
        target = self.folder / "landing" / order.folder / line_item_sums.MART
        target.mkdir()
        pq.write_table(table, target / "part-0.parquet")

    def take_back(self, order: Order) -> Taken:
        with self.database.connect("dbt", autocommit=True) as conn:
            return line_item_sums.take_back(conn, self.landing, order.name)

    def age(self) -> None:
        """Give all accounts the same days of three years before, summed."""
        with self.database.connect("admin", autocommit=True) as conn:
            for table in (
                *("raw.partitions", "intermediate.daily_costs_summed"),
                "intermediate.summed_slices",
            ):
                for days in (365, 730, 1095):
                    conn.execute(
                        f"create temporary table older as select * from {table} where usage_date"
                        f" > '2026-01-01'; update older set usage_date = usage_date - {days},"
                        f" billing_period = billing_period - {days};"
                        f" insert into {table} select * from older; drop table older".encode()
                    )

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with self.database.connect("admin") as conn:
            return conn.execute(query.encode()).fetchall()


def _type(name: str) -> pa.DataType:
    if name in COSTS:
        return arrow_type("numeric", 24)
    return {
        "usage_date": pa.date32(),
        "billing_period": pa.date32(),
        "charges": pa.int64(),
        "delivery_id": pa.int64(),
        "is_final": pa.bool_(),
        "is_invoiced": pa.bool_(),
        "loaded_at": pa.timestamp("us", tz="UTC"),
    }.get(name, pa.string())


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Place:
    made = Place(database, tmp_path)
    made.load(BILL)
    return made


def test_the_files_hold_the_standing_rows_exactly(place: Place) -> None:
    place.load(Bill(0, 40, FOCUS_COSTS, refresh=1))
    order = place.order()
    assert (order.rows, order.slices, order.refused) == (40 * 30, 30, {})
    names = [column.name for column in FOCUS_COSTS.columns if column.type != "jsonb"]
    stored = place.ask(f"select {', '.join(names)} from raw.focus_costs")
    written = place.rows(order).select(names).to_pylist()
    assert {tuple(row.values()) for row in written} == set(stored)
    assert len(written) == len(stored) == order.rows
    assert {row["delivery_id"] for row in written} == {1, 2}


def test_sums_come_back_where_they_tie_and_only_changed_slices_are_asked_again(
    place: Place,
) -> None:
    order = place.order(is_everything=False)
    place.sum_up(order)
    taken = place.take_back(order)
    assert (len(taken.tied), taken.held_back, taken.overtaken) == (30, [], [])
    compared = place.ask(
        "select count(*), count(*) filter (where rows.cost = sums.cost) from (select usage_date,"
        " billing_currency, sum(coalesce(effective_cost, billed_cost)) as cost from raw.focus_costs"
        " group by 1, 2) as rows full join (select usage_date, billing_currency,"
        " sum(effective_cost) as cost from intermediate.daily_costs_summed group by 1, 2) as sums"
        " using (usage_date, billing_currency)"
    )
    [(days_and_currencies, equal)] = compared
    assert days_and_currencies == equal
    assert isinstance(equal, int) and equal > 30
    assert place.order(is_everything=False).slices == 0
    place.load(Bill(0, 40, FOCUS_COSTS, refresh=1))
    assert place.order(is_everything=False).slices == 5


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"more": Decimal("1e-24")}, r"billed_cost is .* the line items hold"),
        ({"lost": 1}, "39 line items were summed of 40"),
    ],
)
def test_a_slice_that_does_not_tie_is_held_back_alone(
    place: Place, fault: dict[str, object], says: str
) -> None:
    order = place.order()
    place.sum_up(order, **fault)  # type: ignore[arg-type] # by name
    taken = place.take_back(order)
    assert len(taken.tied) == 29
    [held] = taken.held_back
    assert re.match(says, str(held.reason))
    noted = place.ask("select usage_date from intermediate.summed_slices where reason is not null")
    assert noted == [(held.usage_date,)]
    stands = "select count(distinct usage_date) from intermediate.daily_costs_summed"
    assert place.ask(stands) == [(29,)]
    assert place.order(is_everything=False).slices == 1


def test_sums_of_a_delivery_that_was_overtaken_are_left_where_they_are(place: Place) -> None:
    order = place.order()
    place.sum_up(order)
    place.load(Bill(0, 40, FOCUS_COSTS, refresh=1))
    taken = place.take_back(order)
    assert (len(taken.tied), len(taken.overtaken)) == (25, 5)


class Counted:
    """A store's objects; `requests` counts calls, and the names that listings return."""

    def __init__(self, objects: Objects) -> None:
        self.objects, self.requests = objects, 0

    def __getattr__(self, name: str) -> Any:
        known = getattr(self.objects, name)
        if not callable(known):
            return known

        def call(*words: Any, **named: Any) -> Any:
            found = known(*words, **named)
            self.requests += len(found) if name == "sizes" else 1
            return found

        return call


class CountingCursor(psycopg.Cursor[Any]):
    """Counts the statements of all cursors."""

    statements = 0

    def execute(self, *words: Any, **named: Any) -> Self:
        CountingCursor.statements += 1
        return super().execute(*words, **named)

    def executemany(self, query: Any, params_seq: Any, **named: Any) -> None:
        lines = list(params_seq)
        CountingCursor.statements += len(lines)
        super().executemany(query, lines, **named)


_READ = """
    select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_xact_user_tables
    where relname in ('partitions', 'daily_costs_summed', 'summed_slices')
"""


def work_of_a_day(place: Place, bill: Bill) -> dict[str, int]:
    """Restate five days, have them summed and taken back; return what that asked for."""
    place.load(bill)
    objects = Counted(place.landing.objects)
    place.landing._objects = cast(Objects, objects)
    order = place.order(is_everything=False)
    asked = {"slices": order.slices, "requests of the order": objects.requests}
    place.sum_up(order)
    objects.requests = CountingCursor.statements = 0
    with place.database.connect("dbt") as conn:
        conn.execute("set enable_seqscan = off")  # of tables as small as these it would be chosen
        conn.cursor_factory = CountingCursor
        taken = line_item_sums.take_back(conn, place.landing, order.name)
        asked["statements"] = CountingCursor.statements
        read = conn.execute(_READ).fetchone()
    assert (len(taken.tied), taken.held_back, read is not None) == (order.slices, [], True)
    place.landing._objects = objects.objects
    return asked | {"requests": objects.requests, "rows read": read[0] if read else 0}


def test_a_changed_day_costs_the_same_whatever_the_history(place: Place) -> None:
    for bill in (BILL, *(Bill(number, 2, FOCUS_COSTS) for number in range(1, 4))):
        if bill is not BILL:
            place.load(bill)
        order = place.order()  # each time all of it
        place.sum_up(order)
        place.take_back(order)
        if bill is BILL:
            before = work_of_a_day(place, replace(BILL, refresh=1))
    place.age()
    after = work_of_a_day(place, replace(BILL, refresh=2))
    assert after == before
    assert before["slices"] == 5 and before["rows read"] > 5
    assert max(before["requests"], before["statements"], before["requests of the order"]) < 12


@pytest.mark.parametrize(
    ("quantity", "price", "refused"),
    [
        ("0.1234567890123456", "0.12345678", None),
        ("-9999999.5", "0.0000000000000000000001", None),
        ("0.1234567890123456", "0.123456789", "unit_price times quantity .* 24 decimals"),
        ("10000000", "10000000", "unit_price times quantity .* 14 digits"),
    ],
)
def test_a_product_fits_exactly_or_its_delivery_is_refused(
    tmp_path: Path, quantity: str, price: str, refused: str | None
) -> None:
    [rows] = export_rows(1, MONTH, 1)
    for name, value in (("quantity", quantity), ("unit_price", price)):
        at, column = rows.schema.get_field_index(name), pa.scalar(Decimal(value))
        rows = rows.set_column(at, name, pa.repeat(column, rows.num_rows))
    survey = Survey(AZURE_COSTS_EXPORT)
    survey.add(RowBatch(rows))
    digests = {each: facts.digest for each, facts in survey.slices.items()}
    name = AZURE_COSTS_EXPORT.name
    standing = Standing(1, "a", "azure", name, "u", datetime.now(UTC), digests)
    landing = LandingStore(str(tmp_path))
    if refused is None:
        line_items.write_line_items(landing, standing, lambda _: [RowBatch(rows)])
    else:
        with pytest.raises(LoadError, match=refused):
            line_items.write_line_items(landing, standing, lambda _: [RowBatch(rows)])
    assert landing.objects.exists(standing.file) == (refused is None)


def test_line_items_go_some_days_after_nothing_stands_in_them(place: Place) -> None:
    def clear(*, is_dry: bool = False) -> list[int]:
        with place.database.connect("app", autocommit=True) as conn:
            store, retention = place.landing, Retention()
            done = housekeeping.clear_line_items(conn, store, retention, is_dry=is_dry)
        return [each.gone for each in done]

    def files() -> dict[str, int]:
        return place.landing.objects.sizes(below=f"{line_items.FOLDER}/{FOCUS_COSTS.name}")

    def ago(days: int, *, deliveries: str = "false") -> None:
        then = f"now() - interval '{days} days'"
        with place.database.connect("admin", autocommit=True) as conn:
            conn.execute(f"update raw.partitions set changed_at = {then}".encode())
            conn.execute(
                f"update raw.deliveries set finished_at = {then} where {deliveries}".encode()
            )

    assert clear() == []
    ago(100, deliveries="id = 1")
    place.order()
    place.load(replace(BILL, refresh=1))
    ago(90, deliveries="id = 2")
    place.order()
    place.load(replace(BILL, refresh=2))  # of delivery 2 nothing stands any more, since now
    place.order()
    [second] = [name for name in files() if "delivery_id=2/" in name]
    strangers = [
        second.replace("delivery_id=2/", "delivery_id=99/"),
        re.sub(r"/[^/]+/rows", "/20200101T000000.000000/rows", second),
    ]
    old_order = [f"{line_items.ORDERS}/20200101T000000-abc/{name}" for name in ("a", "b/part")]
    for name in (*strangers, *old_order):
        (place.folder / "other").touch()
        place.landing.publish(place.folder / "other", name)
    before = place.landing.objects.sizes()
    assert clear(is_dry=True) == [0, 2]
    assert place.landing.objects.sizes() == before
    assert clear() == [0, 2]
    assert set(before) - set(place.landing.objects.sizes()) == set(old_order)
    assert not (place.folder / "landing" / line_items.ORDERS / "20200101T000000-abc").exists()
    ago(29)
    assert clear() == [0, 0]
    ago(31)
    left = files()
    assert clear() == [1, 0]
    assert set(left) - set(files()) == {second}
    assert clear() == [0, 0]
    assert place.order().refused == {}


def test_an_order_without_sums_is_an_error(place: Place) -> None:
    with pytest.raises(ConfigError, match="Nothing has been summed"):
        place.take_back(place.order())


def test_what_does_not_fit_or_differs_is_refused_and_told(place: Place) -> None:
    whole = place.read

    def other(standing: Standing) -> Iterable[RowBatch]:
        for batch in whole(standing):
            yield RowBatch(batch.rows.slice(1))

    def large(standing: Standing) -> Iterable[RowBatch]:
        for batch in whole(standing):
            at = batch.rows.schema.get_field_index("pricing_quantity")
            huge = pa.repeat(pa.scalar(Decimal(10) ** 14, arrow_type("numeric", 12)), 1)
            column = pa.concat_arrays(
                [huge, batch.rows.column(at).slice(1).cast(arrow_type("numeric", 12))]
            )
            yield RowBatch(batch.rows.set_column(at, "pricing_quantity", column))

    for read, says in ((large, "pricing_quantity does not fit 14 digits"), (other, "no longer")):
        place.read = read  # type: ignore[method-assign] # spied on
        order = place.order()
        assert (order.slices, order.rows) == (0, 0)
        [reason] = order.refused.values()
        assert says in reason
