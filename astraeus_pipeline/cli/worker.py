"""`astraeus worker`: a process that executes steps of runs, on this machine or any other."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from astraeus_pipeline.cli.output import console
from astraeus_pipeline.cli.process import prepare
from astraeus_pipeline.errors import ConfigError
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
        prepare(settings)
        if settings.landing_url is None:
            console.print(
                f"Payloads are kept in {settings.landing_root}: fine on one machine. On several,"
                " set ASTRAEUS_LANDING_URL to a store that all of them reach."
            )
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
