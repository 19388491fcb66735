"""Each process of `astraeus up` alone, for whatever supervises it: systemd, a container engine.

Each becomes Dagster's or Streamlit's own process, so signals reach it; SIGTERM ends it.
"""

from __future__ import annotations

import os
from typing import Annotated, NoReturn

import typer

from astraeus_pipeline.cli import programs
from astraeus_pipeline.errors import ConfigError, DatabaseError
from astraeus_pipeline.settings import PROJECT_ROOT, Settings

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on.")]
CodeServer = Annotated[str, typer.Option(help="HOST:PORT of `astraeus code-server`.")]
_CODE_SERVER = "127.0.0.1:4000"


def app(host: Host = "127.0.0.1", port: Port = 8501) -> None:
    """Run the app alone; `astraeus up` starts everything together."""
    prepare(Settings.from_env())
    _become(programs.app(host, port))


def code_server(host: Host = "127.0.0.1", port: Port = 4000) -> None:
    """Run Dagster's code server alone: runs execute in it, or wait there for workers."""
    prepare(Settings.from_env())
    _become(programs.code_server(host, port))


def webserver(
    host: Host = "127.0.0.1", port: Port = 3000, code_server: CodeServer = _CODE_SERVER
) -> None:
    """Run Dagster's web server alone. It asks nobody who they are: keep it inside."""
    settings = Settings.from_env()
    prepare(settings)
    _become(
        programs.webserver(
            host, port, programs.write_workspace(settings, *_host_and_port(code_server))
        )
    )


def daemon(code_server: CodeServer = _CODE_SERVER) -> None:
    """Run Dagster's daemon alone: schedules, sensors, the queue. One per installation."""
    settings = Settings.from_env()
    prepare(settings)
    _become(programs.daemon(programs.write_workspace(settings, *_host_and_port(code_server))))


def prepare(settings: Settings) -> None:
    """Check what can be, and set this process's environment for Dagster and dbt.

    Raises: DatabaseError where the database does not run, or is not at this version: several start
    at once, maybe of several versions, so none of them migrates; and a server that one of them had
    started would be ended with it.
    """
    from astraeus_pipeline.orchestration import environment
    from astraeus_pipeline.warehouse.engine import standing_database
    from astraeus_pipeline.warehouse.migrate import is_migrated

    database = standing_database(settings)
    if not is_migrated(database):
        raise DatabaseError(
            f"The database at {database.where} is not at the version of this process.",
            hint="Run `astraeus db migrate` where the newest version is, and update the others.",
        )
    environment.prepare(settings, database)


def _become(command: list[str]) -> NoReturn:
    os.chdir(PROJECT_ROOT)
    os.execv(command[0], command)  # noqa: S606 - our own commands


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(
            f"{address} is no address of a code server.", hint="Write it as HOST:PORT."
        )
    return host, int(port)
