"""`astraeus monitor`: metrics and health over HTTP."""

from __future__ import annotations

import ipaddress
import sys
from typing import Annotated

import typer

from astraeus_pipeline.cli import children
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.settings import Settings


def monitor(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free one.")] = 9464,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's want a token.")
    ] = "127.0.0.1",
) -> None:
    """Serve /metrics for Prometheus, /health/live, /health/ready and /health/daemon.

    `astraeus up` starts one of its own.
    """
    import uvicorn

    from astraeus_pipeline import logs
    from astraeus_pipeline.monitoring.server import application

    settings = Settings.from_env()
    if not _is_loopback(host) and settings.metrics_token is None:
        raise ConfigError(
            f"Metrics name accounts and amounts; {host} would show them to the network.",
            hint="Set ASTRAEUS_METRICS_TOKEN, or listen on 127.0.0.1.",
        )
    logs.configure(settings)
    chosen = port or children.free_port()
    sys.stderr.write(f"Serving http://{host}:{chosen}/metrics\n")
    uvicorn.run(application(settings), host=host, port=chosen, log_level="warning")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
