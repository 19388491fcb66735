"""Run every claim, one after another: `make bench` (some 25 minutes on two quiet cores).

Figures are only worth something on a machine that does nothing else meanwhile. `--quick` tries
all scripts at a tenth of the size, where goals may be missed; its results are not written down.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

# Script -> options of a quick try. The defaults of each script are the sizes of its claim.
SCRIPTS: dict[str, list[str]] = {
    "load": ["--rows", "200000", "--accounts", "4"],
    "memory": ["--gigabytes", "0.3", "--runs", "1"],
    "replace": ["--small", "800000", "--large", "2000000", "--runs", "12"],
    "marts": ["--rows", "1000000", "--runs", "1"],
    "allocation": ["--rows", "300000"],
    "queries": ["--small", "73000", "--large", "365000", "--runs", "5"],
    "tools": ["--charges", "365000", "--runs", "5"],
    "pages": ["--charges", "365000", "--runs", "2", "--clicks", "8", "--seconds", "30"],
    "second_engine": ["--quick"],
    "restore": ["--charges", "365000", "--megabytes", "50"],
    "backfill": ["--accounts", "3", "--days", "60", "--sample", "2"],
    "faults": ["--days", "60"],
    "guard": ["--runs", "4"],
    "alerts": ["--kills", "6", "--ambiguous", "1"],
    "scaleout": ["--accounts", "6", "--days", "60", "--only-cut"],
    "years": ["--days", "60", "--accounts", "3", "--full", "6", "--last", "3"],
    "kill": ["--kills", "8", "--accounts", "3", "--days", "30"],
}

# An hour, and a clock of its own (Debian's libfaketime).
ONLY_IF_NAMED = {"years"}


def main() -> None:
    """Run the scripts and sum up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("only", nargs="*", metavar="script", help=", ".join(SCRIPTS))
    chosen = parser.parse_args()
    if unknown := set(chosen.only) - set(SCRIPTS):
        parser.error(f"no such script: {', '.join(sorted(unknown))}")
    environment = os.environ | ({"ASTRAEUS_BENCH_QUICK": "yes"} if chosen.quick else {})
    table = Table("script", "goals", "minutes")
    outcomes = []
    for name in chosen.only or [name for name in SCRIPTS if name not in ONLY_IF_NAMED]:
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        started = time.perf_counter()
        done = subprocess.run(
            [*command, *(SCRIPTS[name] if chosen.quick else [])], env=environment, check=False
        )
        outcomes.append(done.returncode)
        verdict = "met" if done.returncode == 0 else "[red]missed[/red]"
        table.add_row(name, verdict, f"{(time.perf_counter() - started) / 60:.1f}")
    Console().print(table)
    raise SystemExit(max(outcomes))


if __name__ == "__main__":
    main()
