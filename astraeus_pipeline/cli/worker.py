"""`astraeus worker`: a process that executes steps of runs, on this machine or any other."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from astraeus_pipeline.cli.output import console
from astraeus_pipeline.errors import ConfigError, DatabaseError
from astraeus_pipeline.settings import Settings


def worker(
    steps: Annotated[
        int, typer.Option(min=1, help="Steps at once; the number of cores if left out.")
    ] = os.cpu_count() or 1,
    name: Annotated[
        str, typer.Option(help="Name, for machines with more than one worker.")
    ] = "worker",
    prepared: Annotated[bool, typer.Option("--prepared", hidden=True)] = False,
) -> None:
    """Execute steps of runs that Redis hands out; Ctrl-C lets the current ones end first.

    Wants the settings of the machine that runs `astraeus up`: database, landing store, key ring,
    ASTRAEUS_EXECUTOR=celery and ASTRAEUS_CELERY_BROKER.
    """
    settings = Settings.from_env()
    if settings.executor != "celery":
        raise ConfigError(
            "Nothing would reach a worker: steps execute inside of their runs.",
            hint="Set ASTRAEUS_EXECUTOR=celery and ASTRAEUS_CELERY_BROKER, here and where"
            " `astraeus up` runs.",
        )
    if not prepared:
        _prepare(settings)
        again = ["-m", "astraeus_pipeline.cli", "worker", "--prepared"]
        # A process of its own: memory is allocated as the environment says when it starts.
        os.execv(  # noqa: S606 - ourselves
            sys.executable, [sys.executable, *again, "--steps", str(steps), "--name", name]
        )
    from astraeus_pipeline.orchestration import celery_steps

    app = celery_steps.worker_app(settings)
    celery_steps.check_broker(app)
    app.worker_main(
        [
            *("worker", "--concurrency", str(steps), "--hostname", f"{name}@%h"),
            *("--queues", celery_steps.QUEUE, "--loglevel", "INFO"),
            *("--without-gossip", "--without-mingle"),  # they need not know one another
        ]
    )


def _prepare(settings: Settings) -> None:
    """Check what can be, and set this process's environment for Dagster and dbt."""
    from astraeus_pipeline.orchestration import environment
    from astraeus_pipeline.warehouse.engine import open_database
    from astraeus_pipeline.warehouse.migrate import is_migrated

    database = open_database(settings)
    if not is_migrated(database):  # not by a worker: which of them has the newest code?
        raise DatabaseError(
            f"The database at {database.where} is not at the version of this worker.",
            hint="Run `astraeus db migrate` where the newest version is, and update the others.",
        )
    if settings.landing_url is None:
        console.print(
            f"Payloads are kept in {settings.landing_root}: fine on one machine. On several, set"
            " ASTRAEUS_LANDING_URL to a store that all of them reach."
        )
    environment.prepare(settings, database)
