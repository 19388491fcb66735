"""Runs whose process is gone, after a power cut or a kill.

Dagster's own launcher never notices: such a run counts as running for ever, and keeps its account's
place in the queue.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from typing import Final

import dagster as dg

from astraeus_pipeline.births import birth_of, is_alive
from astraeus_pipeline.settings import Settings

_PROCESS: Final = "astraeus/process"
_LAUNCHED: Final = ".dagster/grpc_info"  # set by the launcher that asks a code server


def process_tag() -> dict[str, str]:
    """Return the tag of runs that this very process executes."""
    return {_PROCESS: f"{socket.gethostname()}/{os.getpid()}/{birth_of()}"}


def is_by_command(tags: Mapping[str, str]) -> bool:
    """Whether a command executes the run itself, with a person waiting for it."""
    return _PROCESS in tags


def code_server_since(settings: Settings) -> float | None:
    """Return when the code server of `astraeus up` started (Unix time); None if it is not up."""
    try:
        state = json.loads((settings.home / "run" / "up.json").read_text())
    except FileNotFoundError:
        return None
    mark = state["processes"].get("code")
    return float(mark[1]) if mark else None


def fail_fallen(instance: dg.DagsterInstance, code_since: float | None) -> list[str]:
    """Mark running runs without a process as failed, and return their ids.

    The run's process is the command that it is tagged with, or a worker of the code server: one
    that began before the code server did died with the last one. Dagster tries a failed one again.
    """
    fallen = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        run = record.dagster_run
        if _is_fallen(run.tags, record.start_time, code_since):
            instance.report_run_failed(run, "The process of this run is gone; nothing half stands.")
            fallen.append(run.run_id)
    return fallen


def _is_fallen(tags: Mapping[str, str], started: float | None, code_since: float | None) -> bool:
    if _PROCESS in tags:
        host, pid, born = tags[_PROCESS].rsplit("/", 2)
        return host == socket.gethostname() and not is_alive(int(pid), float(born))
    if _LAUNCHED not in tags or started is None or code_since is None:
        return False
    return started < code_since
