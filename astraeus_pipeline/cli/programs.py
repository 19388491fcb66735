"""The command line of each process: what `astraeus up` starts together, and what runs alone."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Final

from astraeus_pipeline.settings import PROJECT_ROOT, Settings

APP_FILE: Final = PROJECT_ROOT / "app" / "asgi.py"


def code_server(host: str, port: int) -> list[str]:
    """Return Dagster's code server: our definitions, and the runs that it starts."""
    return [
        *(sys.executable, "-m", "astraeus_pipeline.orchestration.code_server", "start"),
        *("-h", host, "-p", str(port), "-m", "astraeus_pipeline.definitions"),
    ]


def webserver(host: str, port: int, workspace: Path) -> list[str]:
    """Return Dagster's web server."""
    return [
        *(sys.executable, "-m", "dagster_webserver"),
        *("-h", host, "-p", str(port), "-w", str(workspace)),
    ]


def daemon(workspace: Path) -> list[str]:
    """Return Dagster's daemon: schedules, sensors, the queue of runs."""
    return [sys.executable, "-m", "dagster._daemon", "run", "-w", str(workspace)]


def app(host: str, port: int) -> list[str]:
    """Return the pages."""
    return [
        *(sys.executable, "-m", "streamlit", "run", str(APP_FILE)),
        *("--server.address", host, "--server.port", str(port)),
        *("--server.headless", "true"),
    ]


def write_workspace(settings: Settings, host: str, port: int) -> Path:
    """Write a workspace that points web server and daemon at the one code server."""
    path = settings.home / "dagster" / "workspace.yaml"
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")  # others may be reading it
    fresh.write_text(
        f"load_from:\n  - grpc_server:\n      host: {host}\n"
        f"      port: {port}\n      location_name: astraeus\n"
    )
    return fresh.replace(path)
