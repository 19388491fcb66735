"""What memory.py measures: fetch and load of one account, in a process with nothing else in it.

Called as `python -m benchmarks.memory_child HOME FOLDER`; prints one JSON object with the peak
resident set in bytes, the rows and the seconds.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, RowBatch
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import open_database
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.loader import LoadOptions, load

MONTH = DayRange.of_month(date(2026, 9, 1))


def main(home: Path, folder: Path) -> None:
    """Fetch and load every delivery of the folder."""
    database = open_database(Settings(home=home, database_url=None, landing_url=None))
    landing = LandingStore(str(home / "landing"))
    account = Account("bench-00", "focus", "Bench", {"url": str(folder)})
    options = LoadOptions(today=MONTH.last + timedelta(days=10), settle_days=3)
    started, rows = time.perf_counter(), 0

    def read(fetched: Fetched) -> Iterator[RowBatch]:
        return FOCUS.rows(fetched, landing)

    with database.connect("loader", autocommit=True) as conn:
        for each in FOCUS.fetch(account, "costs", MONTH, landing):
            payload = landing.put_manifest(each)
            result = load(conn, FOCUS_COSTS, each, payload, lambda of=each: read(of), options)  # type: ignore[misc]  # mypy infers no lambda with a default
            assert result.state == "loaded", result
            rows += result.rows
    seconds = time.perf_counter() - started
    print(json.dumps({"peak": high_water(), "rows": rows, "seconds": seconds}))


def high_water() -> int:
    """Return the process's largest resident set in bytes.

    Linux counts a parent's memory into `ru_maxrss` of a child that it started, so not that.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
