"""`python -m app.assistant.servers`: `<server>` over stdio for a desktop client, `http <port>` all.

`astraeus mcp` starts it. Standard output belongs to the protocol: all else goes to the error
stream.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import cast, get_args

import anyio
import structlog
from mcp.server.stdio import stdio_server

from app.assistant.servers import protocol, visits
from app.assistant.tools.contract import READ, Scope, Server
from app.auth.settings import AuthSettings
from astraeus_pipeline.errors import AstraeusError, ConfigError


def main(arguments: list[str]) -> int:
    """Serve until the client goes; return the exit code."""
    try:
        _serve(*arguments)
    except AstraeusError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _serve(name: str = "", port: str = "", *rest: str) -> None:
    if name == "http" and port.isdecimal() and not rest:
        _over_http(int(port))
    elif name in get_args(Server) and not port:
        _as_somebody(cast(Server, name))
    else:
        raise ConfigError(
            f"There is no server {name!r}.", hint=f"There are: {', '.join(get_args(Server))}."
        )


def _as_somebody(name: Server) -> None:
    email = os.environ.get("ASTRAEUS_USER", "").strip()
    if not email:
        raise ConfigError(
            "ASTRAEUS_USER is not set.",
            hint="Set it to the email address of whose data the client may see.",
        )
    visit = visits.Visit(lambda: visits.enter_as(email, name))

    # Reads only, unless who runs it says more; their role must allow it in any case.
    scopes = frozenset(os.environ.get("ASTRAEUS_MCP_SCOPES", READ).split())

    def who() -> Scope:
        return visit.scope(scopes)

    who()  # refuses at once who is not known
    try:
        anyio.run(_over_stdio, name, who)
    finally:
        visit.end()


def _over_http(port: int) -> None:
    import uvicorn

    from app.assistant.servers import bearer, web

    issuer = AuthSettings().issuer
    if not issuer:
        raise ConfigError(
            "Over HTTP a server takes tokens of an issuer alone, and there is none.",
            hint="Set ASTRAEUS_OIDC_ISSUER, or let clients start it over stdio.",
        )
    url = os.environ.get("ASTRAEUS_MCP_URL") or f"http://127.0.0.1:{port}"
    served = web.application(bearer.Issuer(issuer), url)
    sys.stderr.writelines(f"Serving {url}/mcp/{name}\n" for name in get_args(Server))
    uvicorn.run(served, host="127.0.0.1", port=port, log_level="warning")


async def _over_stdio(name: Server, who: Callable[[], Scope]) -> None:
    server = protocol.build(name, who)
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


if __name__ == "__main__":
    # Of the process, not of `main`, which tests call in theirs.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    sys.exit(main(sys.argv[1:]))
