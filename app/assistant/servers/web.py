"""The servers over HTTP, each at an address of its own, for bearers of the issuer's tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from threading import Lock
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from cachetools import LRUCache
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.lowlevel import Server as Protocol
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Asked

from app.assistant.servers import protocol
from app.assistant.servers.bearer import Bearer, Issuer, checked
from app.assistant.servers.visits import Visit
from app.assistant.tools.contract import READ, Scope, Server
from app.auth import signing_in
from app.health import HEALTH
from astraeus_pipeline.errors import ForbiddenError

_TOKENS: Final = 5_000
_ANY_PORT: Final = ("127.0.0.1:*", "localhost:*")


class Visitors:
    """Who comes with which token: a session for each, so that one that is revoked stays out."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._visits: LRUCache[str, Visit] = LRUCache(_TOKENS)
        self._lock = Lock()

    def scope(self) -> Scope:
        """Return who the request's token is of. Blocking.

        Raises: ForbiddenError without a token, or for an identity that nobody here has.
        """
        token = get_access_token()
        if token is None or not token.subject:
            raise ForbiddenError("There is no token.")
        key = sha256(token.token.encode()).hexdigest()
        with self._lock:
            visit = self._visits.get(key)
            if visit is None:
                visit = self._visits[key] = Visit(lambda: self._enter(token))
        return visit.scope(frozenset(token.scopes))

    def _enter(self, token: AccessToken) -> str:
        claims = token.claims or {}
        email = claims.get("email")
        opened = signing_in.open_by_identity(
            str(claims["iss"]),
            str(token.subject),
            str(email) if email else None,
            is_verified=claims.get("email_verified") is True,
            visitor=signing_in.Visitor("", f"MCP server {self._server}, HTTP", None),
        )
        if opened is None:
            raise ForbiddenError(
                "Nobody here has this identity.", hint="Ask an administrator to be added."
            )
        return opened


def application(
    issuer: Issuer,
    url: str,
    build: Callable[[Server, Callable[[], Scope]], Protocol[Any]] = protocol.build,
) -> Starlette:
    """Return the servers that `build` makes, at `<url>/mcp/<server>`.

    Raises: ConfigError for an address without TLS that is not of this machine.
    """
    base = checked(url, "The address")
    apps: dict[str, ASGIApp] = {}
    servers: list[Protocol[Any]] = []
    for name in get_args(Server):
        server = build(name, Visitors(name).scope)
        apps[name] = _guarded(server, name, issuer, base)
        servers.append(server)

    async def dispatch(scope: Asked, receive: Receive, send: Send) -> None:
        # Also right for the metadata, which end in the server's name too.
        name = scope["path"].rstrip("/").rpartition("/")[2]
        await apps.get(name, PlainTextResponse("Not found", 404))(scope, receive, send)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for server in servers:
                await stack.enter_async_context(server.session_manager.run())
            yield

    return Starlette(routes=[*HEALTH, Mount("/", app=dispatch)], lifespan=lifespan)


def _guarded(server: Protocol[Any], name: Server, issuer: Issuer, base: str) -> ASGIApp:
    parts = urlsplit(base)
    resource = f"{base}/mcp/{name}"
    return server.streamable_http_app(
        streamable_http_path=f"/mcp/{name}",
        # Whoever goes away stops what they asked for; a long answer is kept alive through proxies.
        json_response=False,
        stateless_http=True,
        transport_security=TransportSecuritySettings(
            allowed_hosts=[parts.netloc, *_ANY_PORT],
            allowed_origins=[f"{parts.scheme}://{parts.netloc}"],
        ),
        auth=AuthSettings(
            issuer_url=AnyHttpUrl(issuer.address),
            resource_server_url=AnyHttpUrl(resource),
            required_scopes=[READ],
            # Off by default: a token for another server would do.
            validate_token_resource=True,
        ),
        token_verifier=Bearer(issuer, resource),
    )
