"""`astraeus mcp`: the assistant's tools for other programs, by the Model Context Protocol."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from astraeus_pipeline.cli.children import free_port
from astraeus_pipeline.cli.context import open_migrated
from astraeus_pipeline.settings import PROJECT_ROOT, Settings


def mcp(
    server: Annotated[
        str, typer.Argument(help="infrastructure, cloud_sync or llm_analytics")
    ] = "infrastructure",
    http: Annotated[
        bool,
        typer.Option("--http", help="Over HTTP, for bearers of ASTRAEUS_OIDC_ISSUER's tokens."),
    ] = False,
    port: Annotated[int, typer.Option(help="Port, with --http; 0 for any free one.")] = 0,
) -> None:
    """Serve tools over stdio to a desktop client, as the person of ASTRAEUS_USER; read only.

    ASTRAEUS_MCP_SCOPES="finops:read finops:sync" lets it also ingest days again and try
    credentials, where the person is an administrator.
    """
    open_migrated(Settings.from_env())
    # The client may start us anywhere: no `app` of its folder is to stand in for ours.
    path = os.pathsep.join(filter(None, (str(PROJECT_ROOT), os.environ.get("PYTHONPATH"))))
    what = ("http", str(free_port(port))) if http else (server,)
    command = [sys.executable, "-P", "-m", "app.assistant.servers", *what]
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": path})  # noqa: S606 - ourselves
