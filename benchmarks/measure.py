"""Wall time, CPU seconds of client and server, and the machine they were taken on.

Client CPU: getrusage of this process and of the children it has waited for. Server CPU: the
postmaster's own time, that of its ended children (the kernel adds it up when they are reaped) and
of its living ones, in ticks of 10 ms; background writers and checkpoints are in it.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg


@dataclass(frozen=True)
class Cost:
    """What a piece of work took, in seconds."""

    wall: float
    client_cpu: float
    server_cpu: float

    @property
    def cpu(self) -> float:
        """CPU seconds of client and server together."""
        return self.client_cpu + self.server_cpu

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.wall + other.wall,
            self.client_cpu + other.client_cpu,
            self.server_cpu + other.server_cpu,
        )


class Server:
    """The PostgreSQL server behind a connection, if it runs on this machine."""

    def __init__(self, conn: psycopg.Connection) -> None:
        backend = psutil.Process(conn.info.backend_pid)
        parent = backend.parent()
        if parent is None or "postgres" not in parent.name():
            raise RuntimeError("the server's processes are not visible: run beside the server")
        self.postmaster = parent

    def cpu(self) -> float:
        """CPU seconds of the server since it started."""
        own = self.postmaster.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        for child in self.postmaster.children():
            try:
                times = child.cpu_times()
            except psutil.NoSuchProcess:
                continue  # reaped since: the next reading has it among the postmaster's children
            total += times.user + times.system
        return float(total)


def client_cpu() -> float:
    """CPU seconds of this process and its ended children."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measure(server: Server, work: Callable[[], object]) -> Cost:
    """Run the work once and return what it took."""
    wall, client, serving = time.perf_counter(), client_cpu(), server.cpu()
    work()
    return Cost(time.perf_counter() - wall, client_cpu() - client, server.cpu() - serving)


def median(costs: Iterable[Cost]) -> Cost:
    """Return the medians of wall and of CPU, each for itself."""
    taken = list(costs)
    return Cost(
        statistics.median(cost.wall for cost in taken),
        statistics.median(cost.client_cpu for cost in taken),
        statistics.median(cost.server_cpu for cost in taken),
    )


def machine(conn: psycopg.Connection) -> dict[str, str]:
    """Name what the figures were taken on, and how busy it was."""
    return {
        "cpu": _cpu_model(),
        "cores": str(os.cpu_count()),
        "memory_gb": f"{psutil.virtual_memory().total / 2**30:.0f}",
        "load_average": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.release()}",
        "postgresql": str(conn.info.parameter_status("server_version")),
        "python": platform.python_version(),
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
