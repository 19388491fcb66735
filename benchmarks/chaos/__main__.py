"""Claim: whatever fails, no charge is lost or doubled, each alert comes once, and pages say it.

One installation is struck by every fault of a table: `make chaos`. It has 3 accounts x 30 days of
bills that are all billed otherwise in each round, real marts, two channels of alerts with real
receivers, and the app in front of a person who is signed in. After each round there is peace (what
schedules and sensors do is done), and then five invariants are held against the files that were
billed, an installation that nothing struck, and what the receivers took.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import time
from pathlib import Path
from typing import Final

from benchmarks.chaos import (
    clock,
    daemons,
    database,
    planted,
    processes,
    product,
    provider,
    stores,
    table,
    work,
    workers,
)
from benchmarks.chaos.bills import versions
from benchmarks.chaos.fault import Fault
from benchmarks.chaos.installation import Calm, site
from benchmarks.chaos.kept import Kept
from benchmarks.measure import machine
from benchmarks.report import Report

FAULTS: Final[tuple[Fault, ...]] = (
    *database.FAULTS,
    *stores.FAULTS,
    *provider.FAULTS,
    *clock.FAULTS,
    *processes.FAULTS,
    *product.FAULTS,
    *daemons.FAULTS,
    *workers.FAULTS,
)
_QUICK: Final = 12  # one kill in so many


def main() -> None:
    """Strike, judge, write down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="a fault by (part of) name")
    parser.add_argument("--kills", type=int, help="kills of all chosen faults together")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="few kills; writes nothing down")
    parser.add_argument("--keep", type=Path, help="file of lines; those that it has are not struck")
    parser.add_argument("--accounts", type=int, default=3)
    parser.add_argument("--rows-per-day", type=int, default=131)
    chosen = parser.parse_args()
    # In the background of a shell we would be deaf to Ctrl-C, and a kill would leave all of it.
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, signal.default_int_handler)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # each request to the emulated S3
    if chosen.quick:
        os.environ["ASTRAEUS_BENCH_QUICK"] = "yes"
    faults = [each for each in FAULTS if _is_chosen(each, chosen.only)]
    if not faults:
        parser.error(f"no such fault; there are: {', '.join(each.name for each in FAULTS)}")
    whole = sum(fault.kills for fault in faults)
    share = chosen.kills / max(1, whole) if chosen.kills else 1 / _QUICK if chosen.quick else 1.0
    kept = Kept.read(chosen.keep)
    left = [each for each in faults if each.name not in kept.lines]
    if left:
        _strike(left, share, chosen, kept)
    lines = [kept.lines[each.name] for each in faults]
    wanted = sum(_kills(fault, share) for fault in faults if not fault.lacks())
    report = Report(
        name="chaos",
        title=f"{sum(line.kills for line in lines)} kills and {len(lines)} faults in"
        f" {sum(line.seconds for line in lines):.0f} s",
        machine=kept.machine,
        options={
            name: getattr(chosen, name) for name in ("seed", "accounts", "rows_per_day", "kills")
        },
        header=("fault", "runs", "kills", "invariants held", "seconds"),
        rows=[line.cells() for line in lines],
        goals=table.goals(lines, wanted),
        notes=table.notes(lines),
    )
    raise SystemExit(0 if (report.show() if chosen.only else report.publish()) else 1)


def _strike(faults: list[Fault], share: float, chosen: argparse.Namespace, kept: Kept) -> None:
    """Furnish an installation, break each invariant on it once, then strike it."""
    started = time.monotonic()
    work.prepare()
    bills = versions(chosen.accounts, chosen.rows_per_day)
    with site(bills, Calm(bills), chosen.seed) as made:
        on = machine(made.place.admin)
        blind = planted.unseen(made)
        print(f"furnished after {time.monotonic() - started:.0f} s", flush=True)
        for fault in faults:
            line = table.strike(made, fault, _kills(fault, share))
            kept.add(line, blind, on)
            print(*line.cells(), sep=" | ", flush=True)
            for note in table.notes([line]):
                print(f"    {note}", flush=True)


def _is_chosen(fault: Fault, only: list[str] | None) -> bool:
    return not only or any(name in fault.name for name in only)


def _kills(fault: Fault, share: float) -> int:
    return max(1, round(fault.kills * share)) if fault.kills else 0


if __name__ == "__main__":
    main()
