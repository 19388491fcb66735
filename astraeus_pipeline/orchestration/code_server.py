"""Dagster's code server, which does not wait for its runs when it is to end.

Dagster's own waits for them, however long they take; whoever supervises would kill it in the end,
and runs with it. Here they are interrupted: each rolls its load back, is noted as failed, and is
started once more by the daemon (`run_retries` in dagster.yaml), by the next code server.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import psutil
from dagster._cli.code_server import code_server_cli


def main() -> None:
    """Take Dagster's arguments: `start -h HOST -p PORT -m MODULE`."""
    signal.signal(signal.SIGINT, _end)  # Dagster lets SIGTERM do the same
    code_server_cli()


def _end(_: int, __: FrameType | None) -> NoReturn:
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, signal.SIG_IGN)  # a second one would leave what the first has begun
    for server in psutil.Process().children():
        for run in server.children():
            with suppress(psutil.NoSuchProcess):
                run.send_signal(signal.SIGINT)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
