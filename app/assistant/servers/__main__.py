"""`python -m app.assistant.servers <server>`: one server over stdio, for a desktop client.

`astraeus mcp` starts it. Standard output belongs to the protocol: all else goes to the error
stream.
"""

from __future__ import annotations

import os
import sys
from typing import cast, get_args

import anyio
import structlog
from mcp.server.stdio import stdio_server

from app.assistant.servers import protocol, visits
from app.assistant.tools.contract import READ, Server
from astraeus_pipeline.errors import AstraeusError, ConfigError


def main(arguments: list[str]) -> int:
    """Serve until the client goes; return the exit code."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        _serve(*arguments)
    except AstraeusError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _serve(name: str = "", *rest: str) -> None:
    if name not in get_args(Server) or rest:
        raise ConfigError(
            f"There is no server {name!r}.", hint=f"There are: {', '.join(get_args(Server))}."
        )
    email = os.environ.get("ASTRAEUS_USER", "").strip()
    if not email:
        raise ConfigError(
            "ASTRAEUS_USER is not set.",
            hint="Set it to the email address of whose data the client may see.",
        )
    # Whoever runs this reads only, whatever their role on the pages.
    visit = visits.Visit(lambda: visits.enter_as(email, name), frozenset({READ}))
    visit.scope()  # refuses at once who is not known
    try:
        anyio.run(_over_stdio, cast(Server, name), visit)
    finally:
        visit.end()


async def _over_stdio(name: Server, visit: visits.Visit) -> None:
    server = protocol.build(name, visit.scope)
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
