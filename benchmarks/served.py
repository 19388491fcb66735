"""The app as it is served, beside the warehouse that it reads, and what both take."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import psutil

from astraeus_pipeline.orchestration.environment import child_environment
from benchmarks.estates import settings_of
from benchmarks.measure import Server
from benchmarks.scratch import Scratch

_ENTRY: Final = Path(__file__).parents[1] / "app" / "asgi.py"
_PATIENCE_S: Final = 120


@dataclass(frozen=True)
class Served:
    """A running app: its address, its process, its database."""

    address: str
    process: psutil.Process
    database: Server

    def cpu(self) -> tuple[float, float]:
        """CPU seconds of the app and of the database, since they started."""
        times = self.process.cpu_times()
        return times.user + times.system, self.database.cpu()

    def memory_mb(self) -> float:
        """What the app alone holds in memory."""
        return float(self.process.memory_full_info().uss) / 2**20


@contextmanager
def served(place: Scratch, more: Mapping[str, str] = MappingProxyType({})) -> Iterator[Served]:
    """Serve the app over a warehouse, with more variables than its own; end it on the way out."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | child_environment(settings_of(place), place.database)
    environment.pop("ASTRAEUS_DATABASE_URL", None)
    environment.update(more)
    options = ["--server.port", str(port), "--server.address", "127.0.0.1"]
    with tempfile.TemporaryDirectory() as folder:
        started = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(_ENTRY), *options],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(f"{address}/_stcore/health")
            yield Served(address, psutil.Process(started.pid), place.server)
        finally:
            started.terminate()
            try:
                started.wait(30)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait(10)


def _wait(url: str) -> None:
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.3)
