"""Claim: a 2 GB CSV goes from its folder to PostgreSQL in less than 256 MB of memory.

A child process does what a run does: the focus provider lists and lands the file, then the loader
reads, digests, copies and verifies it. Memory is that process's resident set, by the kernel's own
high-water mark; it starts no others. The server's memory is not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import open_database
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from benchmarks.data import Estate, files
from benchmarks.deliveries import read_rows
from benchmarks.measure import machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import scratch

MONTH: Final = DayRange.of_month(date(2026, 9, 1))
_BYTES_PER_ROW: Final = 724
_LIMIT_MIB: Final = 256
# Arrow's usual pool keeps twice what it uses, and glibc an arena for each thread.
ALLOCATORS: Final = {"ARROW_DEFAULT_MEMORY_POOL": "jemalloc", "MALLOC_ARENA_MAX": "2"}


def child(home: Path, folder: Path) -> None:
    """Fetch and load; print the peak in bytes, the rows and the seconds as JSON."""
    database = open_database(Settings(home=home, database_url=None, landing_url=None))
    landing = LandingStore(str(home / "landing"))
    account = Account("bench-00", "focus", "Bench", {"url": str(folder)})
    options = LoadOptions(today=MONTH.last + timedelta(days=10), settle_days=3)
    started, rows = time.perf_counter(), 0
    with database.connect("loader", autocommit=True) as conn:
        for fetched in FOCUS.fetch(account, "costs", MONTH, landing):
            payload = landing.put_manifest(fetched)
            read = read_rows(fetched, landing)
            result = load(conn, FOCUS_COSTS, fetched, payload, read, options)
            assert result.state == "loaded", result
            rows += result.rows
    seconds = time.perf_counter() - started
    peak = _high_water()
    print(json.dumps({"peak": peak, "rows": rows, "seconds": seconds}))


def _high_water() -> int:
    """Return the process's largest resident set in bytes.

    Linux counts a parent's memory into `ru_maxrss` of a child that it started, so not that.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_child(home: Path, folder: Path) -> dict[str, Any]:
    """Run the child process, with the allocators as `astraeus up` sets them for its runs."""
    command = [sys.executable, "-m", "benchmarks.memory", "--child", str(home), str(folder)]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | ALLOCATORS
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        child(*chosen.child)
        return
    rows_per_day = round(chosen.gigabytes * 1e9 / _BYTES_PER_ROW / len(MONTH))
    [path] = files(Estate(1, MONTH, rows_per_day), "csv")["bench-00"]
    lines, peaks = [], []
    for number in range(chosen.runs):
        with scratch() as place:
            answer = run_child(place.home, path.parent)
            peaks.append(answer["peak"] / 2**20)
            lines.append(
                (
                    str(number + 1),
                    f"{answer['rows']:,}",
                    f"{answer['seconds']:.1f}",
                    f"{answer['rows'] / answer['seconds']:,.0f}",
                    f"{peaks[-1]:.0f}",
                )
            )
            on = machine(place.admin)
    report = Report(
        name="memory",
        title=f"Memory of fetching and loading one CSV of {path.stat().st_size / 1e9:.2f} GB",
        machine=on,
        options={"gigabytes": chosen.gigabytes, "runs": chosen.runs},
        header=("run", "rows", "s", "rows/s", "peak MiB"),
        rows=lines,
        goals=[Goal("peak resident set, MiB", max(peaks), _LIMIT_MIB)],
        notes=("Seconds cover fetch into the landing store (zstd) and load.",),
    )
    raise SystemExit(0 if report.publish() else 1)


if __name__ == "__main__":
    main()
