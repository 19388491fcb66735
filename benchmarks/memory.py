"""Claim: a 2 GB CSV goes from its folder to PostgreSQL in less than 256 MB of memory.

A child process does what a run does: the focus provider lists and lands the file, then the loader
reads, digests, copies and verifies it. Memory is that process's resident set, by the kernel's own
high-water mark; it starts no others. The server's memory is not in it, nor Dagster's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from astraeus_pipeline.orchestration.environment import ALLOCATORS
from benchmarks.data import Estate, files
from benchmarks.measure import machine
from benchmarks.memory_child import MONTH
from benchmarks.report import Goal, Report
from benchmarks.scratch import scratch

_BYTES_PER_ROW: Final = 724
_LIMIT_MIB: Final = 256


def run_child(home: Path, folder: Path) -> dict[str, Any]:
    """Run the child process and return what it found."""
    command = [sys.executable, "-m", "benchmarks.memory_child", str(home), str(folder)]
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
    chosen = parser.parse_args()
    rows_per_day = round(chosen.gigabytes * 1e9 / _BYTES_PER_ROW / len(MONTH))
    [path] = files(Estate(1, MONTH, rows_per_day), "csv")["bench-00"]
    answers = []
    for _ in range(chosen.runs):
        with scratch() as place:
            answers.append(run_child(place.home, path.parent))
            on = machine(place.admin)
    report = Report(
        name="memory",
        title=f"Memory of fetching and loading one CSV of {path.stat().st_size / 1e9:.2f} GB",
        machine=on,
        options=vars(chosen),
        header=("run", "rows", "s", "rows/s", "peak MiB"),
        rows=[
            (
                str(number),
                f"{answer['rows']:,}",
                f"{answer['seconds']:.1f}",
                f"{answer['rows'] / answer['seconds']:,.0f}",
                f"{answer['peak'] / 2**20:.0f}",
            )
            for number, answer in enumerate(answers, start=1)
        ],
        goals=[
            Goal(
                "highest peak resident set, MiB",
                max(answer["peak"] for answer in answers) / 2**20,
                _LIMIT_MIB,
            )
        ],
        notes=(
            "Seconds cover the fetch into the landing store (zstd) and the load.",
            "Allocators: " + ", ".join(f"{name}={value}" for name, value in ALLOCATORS.items()),
        ),
    )
    raise SystemExit(0 if report.publish() else 1)


if __name__ == "__main__":
    main()
