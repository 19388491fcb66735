"""Claim: a 2 GB CSV goes from its folder to PostgreSQL in less than 256 MB of memory.

A child process does what a run does: the focus provider lists and lands the file, then the loader
reads, digests, copies and verifies it. Memory is the resident set of that process and its
children, sampled every 50 ms, and the kernel's own high-water mark.
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

import psutil

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import open_database
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from benchmarks.data import Estate, files
from benchmarks.measure import machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import scratch

MONTH: Final = DayRange.of_month(date(2026, 9, 1))
_BYTES_PER_ROW: Final = 724
_LIMIT_MB: Final = 256


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
            result = load(
                conn,
                FOCUS_COSTS,
                fetched,
                payload,
                lambda fetched=fetched: FOCUS.rows(fetched, landing),
                options,
            )
            assert result.state == "loaded", result
            rows += result.rows
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"peak": peak, "rows": rows, "seconds": seconds}))


def watch(command: list[str]) -> tuple[dict[str, Any], int]:
    """Run the child; return its answer and the highest sampled resident set, children included."""
    highest = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            highest = max(highest, _resident(watched))
            time.sleep(0.05)
        output = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit("the loading process failed")
    return json.loads(output.splitlines()[-1]), highest


def _resident(process: psutil.Process) -> int:
    try:
        family = [process, *process.children(recursive=True)]
        return sum(each.memory_info().rss for each in family)
    except psutil.NoSuchProcess:
        return 0


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
            command = [sys.executable, "-m", "benchmarks.memory", "--child"]
            answer, sampled = watch([*command, str(place.home), str(path.parent)])
            peaks.append(max(sampled, answer["peak"]))
            lines.append(
                (
                    str(number + 1),
                    f"{answer['rows']:,}",
                    f"{answer['seconds']:.1f}",
                    f"{answer['rows'] / answer['seconds']:,.0f}",
                    f"{sampled / 1e6:.0f}",
                    f"{answer['peak'] / 1e6:.0f}",
                )
            )
            on = machine(place.admin)
    report = Report(
        name="memory",
        title=f"Memory of fetching and loading one CSV of {path.stat().st_size / 1e9:.2f} GB",
        machine=on,
        options={"gigabytes": chosen.gigabytes, "runs": chosen.runs},
        header=("run", "rows", "s", "rows/s", "sampled MB", "high-water MB"),
        rows=lines,
        goals=[Goal("highest resident set, MB", max(peaks) / 1e6, _LIMIT_MB)],
        notes=("Seconds cover fetch into the landing store (zstd) and load.",),
    )
    raise SystemExit(0 if report.publish() else 1)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
