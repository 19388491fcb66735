"""Claim: replacing one (account, day) costs at 10M rows of history at most 1.15 of that at 1M.

One private server holds the 1M history, another the 10M one. Each measured replacement delivers
one day of 1,370 changed rows through the loader: digest, delete, binary COPY, restatements,
verification, commit. Replacements take turns between the two, on random accounts and days of the
last month, so both see the same machine.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import psycopg

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, RowBatch
from astraeus_pipeline.warehouse.landing import StoredPayload
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from benchmarks.data import charges
from benchmarks.deliveries import contract_rows
from benchmarks.history import ACCOUNTS, ROWS_PER_DAY, fill
from benchmarks.measure import client_cpu, machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import Scratch, scratch

LAST = date(2026, 9, 30)
OPTIONS = LoadOptions(today=LAST + timedelta(days=10), settle_days=3)


@dataclass
class Side:
    """One history, and what its replacements took: milliseconds and CPU milliseconds."""

    rows: int
    place: Scratch
    conn: psycopg.Connection
    walls: list[float]
    cpus: list[float]

    def replace(self, account: int, day: date, number: int) -> None:
        """Replace one day by other rows and note the time."""
        [batch] = charges(account, DayRange(day, day), ROWS_PER_DAY + number)
        rows = contract_rows(batch)
        fetched = Fetched(
            account_id=f"bench-{account:02d}",
            dataset="costs",
            days=DayRange(day, day),
            source="api",
            source_name="benchmark",
            parts=(),
        )
        payload = StoredPayload("none", f"{self.rows}-{number}", 0)
        server = self.place.server
        wall, cpu = time.perf_counter(), client_cpu() + server.cpu()
        result = load(self.conn, FOCUS_COSTS, fetched, payload, lambda: [RowBatch(rows)], OPTIONS)
        self.walls.append((time.perf_counter() - wall) * 1000)
        self.cpus.append((client_cpu() + server.cpu() - cpu) * 1000)
        assert result.days("replaced") == [day], result


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=40, help="replacements on each side")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        sides = [_side(stack, rows) for rows in (chosen.small, chosen.large)]
        on = machine(sides[0].place.admin)
        draw = random.Random(7)
        for number in range(chosen.runs + 6):
            account, day = draw.randrange(ACCOUNTS), LAST - timedelta(days=draw.randrange(28))
            for side in sides if number % 2 else sides[::-1]:
                side.replace(account, day, number)
        report = _report(sides, on, vars(chosen))
    raise SystemExit(0 if report.publish() else 1)


def _side(stack: ExitStack, rows: int) -> Side:
    place = stack.enter_context(scratch())
    fill(place, LAST, rows)
    conn = stack.enter_context(place.database.connect("loader", autocommit=True))
    return Side(rows, place, conn, [], [])


def _report(sides: list[Side], on: dict[str, str], options: dict[str, Any]) -> Report:
    warm = 6  # the first fill caches and plan caches
    medians = [statistics.median(side.walls[warm:]) for side in sides]
    cpu = [statistics.mean(side.cpus[warm:]) for side in sides]
    return Report(
        name="replace",
        title=f"Replacing one account's day of {ROWS_PER_DAY:,} rows",
        machine=on,
        options=options,
        header=("history", "ms, median", "ms, p90", "CPU ms, mean", "time ratio"),
        rows=[
            (
                f"{side.rows:,}",
                f"{middle:.1f}",
                f"{statistics.quantiles(side.walls[warm:], n=10)[-1]:.1f}",
                f"{each:.1f}",
                f"{middle / medians[0]:.2f}",
            )
            for side, middle, each in zip(sides, medians, cpu, strict=True)
        ],
        goals=[
            Goal(
                f"time at {sides[1].rows:,} / at {sides[0].rows:,} rows of history",
                medians[1] / medians[0],
                1.15,
            )
        ],
        notes=("Through the whole loader, restatements and verification included.",),
    )


if __name__ == "__main__":
    main()
