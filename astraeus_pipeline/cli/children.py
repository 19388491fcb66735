"""Child processes of `astraeus up`: started in sessions of their own, watched, ended together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import psutil

from astraeus_pipeline import births
from astraeus_pipeline.cli.output import console
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.probe import answers

HEALTH_SECONDS: Final = 120
# For a code server that interrupts its runs; units and containers give it twice as long.
END_SECONDS: Final = 30
_MAX_RESTARTS: Final = 3
# A child that ran this long was well; earlier falls are forgotten.
_WELL_SECONDS: Final = 600


@dataclass(frozen=True)
class Program:
    """One child: its command and, where it serves, the address that tells it is well."""

    name: str
    command: Sequence[str]
    address: str | None = None
    health: str | None = None


@dataclass
class Child:
    """A running program, since when, and how often it had to be started again lately."""

    program: Program
    process: subprocess.Popen[bytes]
    restarts: int = 0
    started: float = field(default_factory=time.monotonic)


@dataclass
class Supervisor:
    """Starts programs, prefixes their output, restarts a fallen one, ends them all."""

    environment: Mapping[str, str]
    folder: Path
    children: list[Child] = field(default_factory=list)

    def start(self, *programs: Program) -> None:
        """Start programs side by side and wait until the address of each answers.

        Raises: AstraeusError if one ends or does not answer in time.
        """
        fresh = [Child(program, self._spawn(program)) for program in programs]
        self.children += fresh
        deadline = time.monotonic() + HEALTH_SECONDS
        for child in fresh:
            _wait(child, deadline)

    def watch(self, on_restart: Callable[[], None], mend: Callable[[], None]) -> None:
        """Stay until interrupted; a fallen child is started again a few times.

        `mend` is called each time before, and sees to what children rest on.
        Raises: AstraeusError when one keeps falling.
        """
        while True:
            mend()
            for child in self.children:
                if child.process.poll() is not None:
                    self._restart(child)
                    on_restart()
            time.sleep(1)

    def end(self) -> None:
        """End every child, in reverse order of their start, and leave none behind.

        Each is told itself and ends what it has started in its own way; what is left then goes.
        """
        for child in reversed(self.children):
            child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + END_SECONDS
        for child in self.children:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.1, deadline - time.monotonic()))
        for child in self.children:
            _signal_group(child.process.pid, signal.SIGKILL)
            child.process.wait()

    def _restart(self, child: Child) -> None:
        code, name = child.process.poll(), child.program.name
        if time.monotonic() - child.started > _WELL_SECONDS:
            child.restarts = 0
        if child.restarts >= _MAX_RESTARTS:
            raise AstraeusError(
                f"{name} ended {child.restarts + 1} times, last with exit code {code}.",
                hint="Its last lines above say why; everything else is stopped.",
            )
        console.print(f"[yellow]{name} ended with exit code {code}; starting it again[/]")
        child.restarts += 1
        _signal_group(child.process.pid, signal.SIGKILL)  # what it started goes with it
        child.process, child.started = self._spawn(child.program), time.monotonic()

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            list(program.command),
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # The terminal's Ctrl-C is for us alone; we end the children in order.
            start_new_session=True,
        )
        if process.stdout is not None:
            reader = threading.Thread(
                target=_prefix, args=(program.name, process.stdout), daemon=True
            )
            reader.start()
        return process


def _wait(child: Child, deadline: float) -> None:
    program = child.program
    while program.health and not answers(program.health):
        if child.process.poll() is not None or time.monotonic() > deadline:
            raise AstraeusError(
                f"{program.name} did not come up (exit code {child.process.poll()}).",
                hint="Its last lines above say why.",
            )
        time.sleep(0.2)
    where = f" at {program.address}" if program.address else ""
    console.print(f"[green]up[/] {program.name}{where}", highlight=False)


def free_port(wanted: int = 0) -> int:
    """Return the wanted port if it is free, else one from the system.

    Raises: AstraeusError if a port was wanted and is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            raise AstraeusError(
                f"Port {wanted} is taken by another program.", hint="Choose another, or 0 for any."
            ) from None
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Mark:
    """A process, since when (Unix time), and its birth, by which a reused id is told from it.

    One that an earlier version wrote down has no birth.
    """

    pid: int
    started: float
    birth: float | None = None

    @classmethod
    def of(cls, pid: int) -> Mark:
        """Mark a running process."""
        return cls(pid, psutil.Process(pid).create_time(), births.birth_of(pid))

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return births.is_alive(self.pid, self.started if self.birth is None else self.birth)


def write_state(path: Path, marks: Mapping[str, Mark], addresses: Mapping[str, str]) -> None:
    """Write down what runs, for `astraeus stop`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "processes": {name: [mark.pid, mark.started, mark.birth] for name, mark in marks.items()},
        "addresses": dict(addresses),
    }
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content))
    fresh.replace(path)


def read_state(path: Path) -> tuple[dict[str, Mark], dict[str, str]]:
    """Return what was written down; nothing if there is no file."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}, {}
    marks = {name: Mark(*values) for name, values in content["processes"].items()}
    return marks, content["addresses"]


def end_marked(marks: Mapping[str, Mark]) -> None:
    """End processes that an earlier supervisor left behind, their groups with them."""
    alive = [mark for mark in marks.values() if mark.is_alive()]
    for mark in alive:
        with suppress(ProcessLookupError):
            os.kill(mark.pid, signal.SIGTERM)
    _await_end(alive)
    for mark in alive:
        _signal_group(mark.pid, signal.SIGKILL)
    _await_end(alive)


def _await_end(marks: Sequence[Mark]) -> None:
    deadline = time.monotonic() + END_SECONDS
    while any(mark.is_alive() for mark in marks) and time.monotonic() < deadline:
        time.sleep(0.1)


def _signal_group(pid: int, kind: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, kind)


def _prefix(name: str, stream: IO[bytes]) -> None:
    for line in stream:
        text = line.decode(errors="replace").rstrip()
        console.print(f"{name:>9} | {text}", highlight=False, markup=False, soft_wrap=True)
