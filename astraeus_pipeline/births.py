"""Whether a process is the one that was meant: its number comes again, its birth does not."""

from __future__ import annotations

import psutil


def birth_of(pid: int | None = None) -> float:
    """Return when a process, or this one, began: in seconds since the machine did.

    Not by the wall clock: as soon as that is set, every process would seem to be another one.
    Raises: psutil.NoSuchProcess.
    """
    return _birth(psutil.Process(pid))


def is_alive(pid: int, birth: float) -> bool:
    """Whether the process that had this number at this birth still runs; a zombie does not.

    A birth that an earlier version noted, in Unix time, is understood too.
    """
    try:
        process = psutil.Process(pid)
        is_same = birth in (_birth(process), process.create_time())
        return bool(is_same and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _birth(process: psutil.Process) -> float:
    # psutil adds the one to the other; the kernel counts in hundredths.
    return round(process.create_time() - psutil.boot_time(), 2)
