"""Claim: the whole loader takes at most 1.25 of a server-side COPY, and 0.7 of dlt's CPU.

The loader reads landed Parquet payloads through the focus provider and does all it always does:
ledger, digests, sums, binary COPY, verification of what stands. The COPY reads the same rows from
a text file on the server's own disk into an identical partitioned and indexed table, one file per
delivery. dlt loads the same Parquet files with the same exact types, from a virtual environment of
its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from psycopg import sql

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched
from astraeus_pipeline.warehouse import ddl
from astraeus_pipeline.warehouse.landing import StoredPayload
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from benchmarks import dlt_side
from benchmarks.data import Estate, files
from benchmarks.deliveries import land, read_rows, snake
from benchmarks.measure import Cost, machine, measure, median
from benchmarks.report import Goal, Report
from benchmarks.scratch import Scratch, scratch

MONTH = DayRange.of_month(date(2026, 9, 1))
OPTIONS = LoadOptions(today=MONTH.last + timedelta(days=10), settle_days=3)
LEAF = ddl.leaf_name(FOCUS_COSTS, MONTH.first)
COPY: Final = "server COPY, text"
LOADER: Final = "loader"
DLT: Final = f"dlt {dlt_side.VERSION}"


@dataclass(frozen=True)
class Sides:
    """The contestants' inputs: landed deliveries, text files on the server, Parquet files."""

    place: Scratch
    deliveries: list[tuple[Fetched, StoredPayload]]
    texts: list[Path]
    parquet: list[Path]

    def run_loader(self) -> Cost:
        """Load every delivery into an empty table and ledger."""
        self._empty("raw")
        with self.place.database.connect("loader", autocommit=True) as conn:

            def work() -> None:
                for fetched, payload in self.deliveries:
                    read = read_rows(fetched, self.place.landing)
                    result = load(conn, FOCUS_COSTS, fetched, payload, read, OPTIONS)
                    assert result.state == "loaded", result

            return self._measured(work)

    def run_copy(self) -> Cost:
        """COPY every text file into an empty, identical table."""
        self._empty("bench")

        def work() -> None:
            for path in self.texts:
                self.place.admin.execute(
                    sql.SQL("copy {} from {}").format(
                        sql.Identifier("bench", LEAF), sql.Literal(str(path))
                    )
                )

        return self._measured(work)

    def run_dlt(self, venv: dlt_side.Venv) -> Cost:
        """Let dlt append the Parquet files to a like table with the same exact types."""
        self.place.admin.execute("drop schema if exists dlt_bench, dlt_bench_staging cascade")
        self.place.admin.execute(_dlt_tables(self.parquet[0]))
        url = self.place.database.url("admin").set(drivername="postgresql")
        spent: list[Cost] = []

        def work() -> None:
            spent.append(venv.load(self.parquet, url.render_as_string(hide_password=False)))

        whole = self._measured(work)
        # Starting Python and importing dlt is no part of the comparison: its own clock counts.
        return Cost(spent[0].wall, spent[0].client_cpu, whole.server_cpu)

    def check(self, *, has_dlt: bool) -> int:
        """Return the number of rows, the same on every side to the last decimal."""
        facts = {
            schema: self.place.admin.execute(
                sql.SQL(
                    "select count(*), sum(billed_cost), sum(list_unit_price), count(tags) from {}"
                ).format(sql.Identifier(schema, FOCUS_COSTS.name))
            ).fetchone()
            for schema in ("raw", "bench", *(["dlt_bench"] if has_dlt else []))
        }
        assert len(set(facts.values())) == 1, facts
        row = facts["raw"]
        assert row is not None
        return int(row[0])

    def _empty(self, schema: str) -> None:
        self.place.admin.execute(
            sql.SQL("truncate {}").format(sql.Identifier(schema, FOCUS_COSTS.name))
        )
        if schema == "raw":
            self.place.admin.execute("truncate raw.deliveries, raw.partitions cascade")

    def _measured(self, work: Callable[[], None]) -> Cost:
        self.place.settle()
        return measure(self.place.server, work)


@contextmanager
def prepared(rows: int, accounts: int) -> Iterator[Sides]:
    """Land the payloads, and have the server write the rows that they become as text files."""
    estate = Estate(accounts, MONTH, max(1, rows // accounts // len(MONTH)))
    parquet = [path for paths in files(estate, "parquet").values() for path in paths]
    with scratch() as place:
        deliveries = [
            land(place.landing, account_id, [path], MONTH)
            for account_id, path in zip(estate.account_ids(), parquet, strict=True)
        ]
        sides = Sides(place, deliveries, [], parquet)
        sides.run_loader()  # warms up, and makes the rows for the text files
        sides.texts.extend(_write_texts(place, estate))
        _make_twin(place)
        yield sides


def _write_texts(place: Scratch, estate: Estate) -> Iterator[Path]:
    row = place.admin.execute("show data_directory").fetchone()
    assert row is not None
    for account_id in estate.account_ids():
        path = Path(row[0]) / f"{account_id}.txt"
        place.admin.execute(
            sql.SQL(
                "copy (select * from raw.focus_costs where account_id = {} order by row_number)"
                " to {}"
            ).format(sql.Literal(account_id), sql.Literal(str(path)))
        )
        yield path


def _make_twin(place: Scratch) -> None:
    """Create schema bench with an identical partitioned table, leaf and index."""
    place.admin.execute(
        "create schema bench;"
        "create table bench.focus_costs (like raw.focus_costs including all)"
        " partition by range (usage_date)"
    )
    place.admin.execute(
        sql.SQL(
            "create table {} partition of bench.focus_costs for values from ({}) to ({})"
        ).format(sql.Identifier("bench", LEAF), sql.Literal(MONTH.first), sql.Literal(MONTH.end))
    )


def _dlt_tables(path: Path) -> sql.Composed:
    """Spell a table of the file's columns in the contract's types, with a leaf and an index."""
    types = {column.name: column.type for column in FOCUS_COSTS.columns}
    names = [snake(name) for name in pq.read_schema(path).names]
    return sql.SQL(
        "create schema dlt_bench;"
        " create table dlt_bench.focus_costs ({}) partition by range (charge_period_start);"
        " create table dlt_bench.leaf partition of dlt_bench.focus_costs"
        " for values from ({}) to ({});"
        " create index on dlt_bench.focus_costs (charge_period_start, billing_account_id)"
    ).format(
        sql.SQL(", ").join(
            sql.Identifier(name) + sql.SQL(" ") + sql.SQL(types[name]) for name in names
        ),
        sql.Literal(MONTH.first),
        sql.Literal(MONTH.end),
    )


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=20, help="one delivery each")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-dlt", action="store_true")
    chosen = parser.parse_args()
    costs: dict[str, list[Cost]] = {COPY: [], LOADER: []}
    with prepared(chosen.rows, chosen.accounts) as sides:
        venv = None if chosen.no_dlt else dlt_side.venv()
        for _ in range(chosen.runs):
            costs[COPY].append(sides.run_copy())
            costs[LOADER].append(sides.run_loader())
            if venv:
                costs.setdefault(DLT, []).append(sides.run_dlt(venv))
        rows = sides.check(has_dlt=venv is not None)
        report = _report(rows, machine(sides.place.admin), costs, vars(chosen))
    raise SystemExit(0 if report.publish() else 1)


def _report(
    rows: int, on: dict[str, str], costs: dict[str, list[Cost]], options: dict[str, Any]
) -> Report:
    medians = {name: median(taken) for name, taken in costs.items()}
    base, loader = medians[COPY], medians[LOADER]
    goals = [Goal("loader / server COPY, time", loader.wall / base.wall, 1.25)]
    if DLT in medians:
        goals.append(Goal("loader / dlt, CPU", loader.cpu / medians[DLT].cpu, 0.7))
    return Report(
        name="load",
        title=f"Loading {rows:,} charges of 47 columns",
        machine=on,
        options=options,
        header=("side", "s", "rows/s", "time ratio", "client CPU s", "server CPU s", "CPU ratio"),
        rows=[
            (
                name,
                f"{cost.wall:.2f}",
                f"{rows / cost.wall:,.0f}",
                f"{cost.wall / base.wall:.2f}",
                f"{cost.client_cpu:.2f}",
                f"{cost.server_cpu:.2f}",
                f"{cost.cpu / base.cpu:.2f}",
            )
            for name, cost in medians.items()
        ],
        goals=goals,
        notes=(
            "The loader's side: Parquet payloads, one delivery per account, with ledger, digests"
            " and verification; COPY and loader fill identical partitioned, indexed tables.",
            "dlt writes Parquet through ADBC into a partitioned, indexed table of 47 columns in the"
            " same exact types; the loader's has 63 columns, and a ledger beside it.",
        ),
    )


if __name__ == "__main__":
    main()
