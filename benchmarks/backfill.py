"""Claim: a backfill of 7,300 partitions takes 1/100 of the CPU of one Dagster run per partition.

20 accounts x 365 days of FOCUS files go through `astraeus backfill`'s own function: one run per
account, range tags, the persistent instance, without the marts. Afterwards the instance is asked
for every partition. Beside it, a sample of single-day partitions of a fresh account is ingested
one run each, in a process of its own as Dagster's daemon starts one, and multiplied up.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import dagster as dg

from astraeus_pipeline.cli.backfill import run_backfill
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import open_database
from benchmarks.data import Estate, files
from benchmarks.estates import add_accounts
from benchmarks.measure import Cost, machine, measure
from benchmarks.report import Goal, Report
from benchmarks.scratch import Scratch, scratch

LAST: Final = date(2026, 9, 30)
ASSET: Final = dg.AssetKey(["raw", "focus_costs"])


def ingest(home: Path, accounts: list[str], days: DayRange) -> None:
    """Run the backfill of the accounts against the installation in `home`."""
    settings = Settings(home=home, database_url=None, landing_url=None)
    logs = io.StringIO()
    with contextlib.redirect_stderr(logs):  # Dagster tells each event; the run page has them all
        runs, _ = run_backfill(
            settings, open_database(settings), accounts, days, "costs", build_marts=False
        )
    failed = [run for run in runs if run.error]
    assert not failed, failed


def child(home: str, account: str, first: str, last: str) -> list[str]:
    """Return the command that ingests one account's days in a process of its own."""
    return [sys.executable, "-m", "benchmarks.backfill", "--child", home, account, first, last]


def materialised(place: Scratch) -> int:
    """Count the partitions that Dagster's instance shows as materialised."""
    del place  # the environment names the instance since the backfill
    with dg.DagsterInstance.get() as instance:
        return len(instance.get_materialized_partitions(ASSET))


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=20)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rows-per-day", type=int, default=50)
    parser.add_argument("--sample", type=int, default=5, help="runs of one partition each")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        home, account, first, last = chosen.child
        days = DayRange(date.fromisoformat(first), date.fromisoformat(last))
        ingest(Path(home), [account], days)
        return
    days = DayRange(LAST - timedelta(days=chosen.days - 1), LAST)
    estate = Estate(chosen.accounts + 1, days, chosen.rows_per_day)
    paths = files(estate, "parquet")
    *wanted, spare = estate.account_ids()
    with scratch() as place:
        add_accounts(place, paths)
        whole = measure(place.server, lambda: ingest(place.home, wanted, days))
        shown = materialised(place)
        singles = [_single(place, spare, LAST - timedelta(days=n)) for n in range(chosen.sample)]
        standing = _standing(place, wanted, days)
        on = machine(place.admin)
    report = _report(whole, singles, shown, len(wanted) * len(days), standing, on, vars(chosen))
    raise SystemExit(0 if report.publish() else 1)


def _standing(place: Scratch, accounts: list[str], days: DayRange) -> int:
    row = place.admin.execute(
        "select count(*) from raw.partitions where delivery_id is not null"
        " and account_id = any(%s) and usage_date between %s and %s",
        [accounts, days.first, days.last],
    ).fetchone()
    assert row is not None
    return int(row[0])


def _single(place: Scratch, account: str, day: date) -> Cost:
    command = child(str(place.home), account, str(day), str(day))
    return measure(place.server, lambda: subprocess.run(command, check=True, capture_output=True))


def _report(
    whole: Cost,
    singles: list[Cost],
    shown: int,
    partitions: int,
    standing: int,
    on: dict[str, str],
    options: dict[str, Any],
) -> Report:
    one = sorted(single.cpu for single in singles)[len(singles) // 2]
    return Report(
        name="backfill",
        title=f"Backfill of {partitions:,} partitions through Dagster",
        machine=on,
        options={name: value for name, value in options.items() if name != "child"},
        header=("way", "s", "client CPU s", "server CPU s", "CPU s a partition"),
        rows=[
            (
                "one run per account",
                f"{whole.wall:.1f}",
                f"{whole.client_cpu:.1f}",
                f"{whole.server_cpu:.1f}",
                f"{whole.cpu / partitions:.4f}",
            ),
            (
                f"one run per partition, median of {len(singles)}",
                f"{sorted(each.wall for each in singles)[len(singles) // 2]:.1f}",
                "",
                "",
                f"{one:.4f}",
            ),
        ],
        goals=[
            Goal("partitions not shown as materialised", partitions - shown, 0),
            Goal("partitions not standing in raw.partitions", partitions - standing, 0),
            Goal(
                "CPU of the backfill / of one run per partition", whole.cpu / partitions / one, 0.01
            ),
        ],
        notes=(
            "A run per partition includes the start of its process, as under Dagster's default"
            " run launcher; its figure is a sample, multiplied.",
        ),
    )


if __name__ == "__main__":
    main()
