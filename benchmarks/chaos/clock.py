"""A machine whose clock is days off, or steps back and ahead in the middle of its work.

By Debian's libfaketime, under processes of their own. The database keeps the right time, as on a
machine of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.chaos import work
from benchmarks.chaos.fault import Fault, Struck
from benchmarks.chaos.installation import Site
from benchmarks.chaos.pages import PAGES, look_at
from benchmarks.served import served
from benchmarks.warehouses import ADMIN_TOKEN

_LIBRARIES: Final = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
# Clock when the work begins, and from the middle of its load on.
_STEPS: Final = (("+2d", "+2d"), ("-2d", "-2d"), ("+0d", "-1h"), ("+0d", "+26h"))
_SECONDS: Final = 240


def jump(site: Site, _: int) -> Struck:
    """Ingest, send and look at pages by clocks that are wrong, or become so."""
    struck, clock = Struck(), site.home / "clock"
    for begin, then in _STEPS:
        site.change_bills()
        site.bench.cross()
        clock.write_text(begin)
        working = _Working(site, _by(clock))
        is_loading = site.killer.await_load(site.database, working)
        clock.write_text(then)
        struck.hit(is_loading, f"no load was under way by a clock of {begin} and {then}")
        if code := working.wait():
            struck.wrong.append(f"by a clock of {begin} and {then} work ended with {code}")
        struck.wrong += site.halves()
        struck.unsaid += site.words()
        if begin == then:
            with served(site.place, _by(clock)) as app:
                struck.looks.append(look_at(app.address, ADMIN_TOKEN, PAGES))
    return struck


class _Working:
    """A process that ingests and sends by another clock."""

    def __init__(self, site: Site, clock: dict[str, str]) -> None:
        told = json.dumps([site.variables, site.accounts, str(site.said)])
        with (site.home / "clock.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.chaos.clock", told],
                env=os.environ | clock,
                stdout=log,
                stderr=log,
            )

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        return self._process.wait(_SECONDS)


def _by(file: Path) -> dict[str, str]:
    """Return variables under which processes read the clock with the offset that a file says."""
    return {
        "LD_PRELOAD": str(_LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def main() -> None:
    """Do in this process, by its own clock, what the site would have its children do."""
    variables, accounts, said = json.loads(sys.argv[1])
    work.ingest(variables, accounts, Path(said))
    work.tick(variables)


FAULTS: Final = (
    Fault(
        "clock off and jumping",
        jump,
        lacks=lambda: None if _LIBRARIES else "no libfaketime (Debian: apt-get install faketime)",
    ),
)

if __name__ == "__main__":
    main()
