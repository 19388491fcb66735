"""A clock that is set: libfaketime before this process and the server.

All add the same seconds to the real time, so now() of PostgreSQL is that of Dagster. The server's
processes look for them in a file, at each call; this one in its environment, which is a tenth as
dear; dbt is told them (see `dated_dbt`). What is measured (monotonic time, CPU) is not faked.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

_LIBRARIES: Final = "*/faketime/libfaketime.so.1"  # Debian's package libfaketime
_FILE, SECONDS, _ALWAYS = "FAKETIME_TIMESTAMP_FILE", "FAKETIME", "FAKETIME_NO_CACHE"


class Clock:
    """The clock of this process, and of a server that it has started already."""

    def __init__(self) -> None:
        self.file = Path(os.environ[_FILE])
        # This process and the server have it; children are told the seconds.
        os.environ.pop("LD_PRELOAD", None)

    def set(self, moment: datetime) -> None:
        """Let it be `moment` everywhere, now; time goes on from there."""
        ahead = os.environ.get(SECONDS) or self.file.read_text()
        seconds = moment.timestamp() - (time.time() - float(ahead))
        _write(self.file, seconds)
        os.environ[SECONDS] = f"{seconds:+.3f}"

    def now(self) -> datetime:
        """Return what everybody takes for now."""
        return datetime.now(UTC)


def midnight(day: date) -> datetime:
    """Return when a day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def take_over(home: Path, first: datetime) -> bool:
    """Start this command again behind the library; False where it is not installed.

    A new home begins at `first`: a server that is set back after its start waits for its own time
    before it vacuums. Returns True in the process that was started.
    """
    if _FILE in os.environ:
        return True
    if found := sorted(Path("/usr/lib").glob(_LIBRARIES)):
        file = home / "clock"
        if not file.exists():
            _write(file, first.timestamp() - time.time())
        faked = {
            "LD_PRELOAD": str(found[0]),
            _FILE: str(file),
            # Else a process sees a new day only seconds after the others.
            _ALWAYS: "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",
            "NO_FAKE_STAT": "1",
        }
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | faked)
    return False


def _write(file: Path, seconds: float) -> None:
    fresh = file.with_name("clock.new")
    fresh.write_text(f"{seconds:+.3f}\n")
    fresh.chmod(0o644)
    fresh.replace(file)
