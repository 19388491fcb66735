"""The gate in front of everything: no live session, no page, no file, no socket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import structlog
from anyio import to_thread
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth import headers, hosts, store
from app.auth.cookies import COOKIE, SESSION_HEADER, key_of
from app.auth.principal import Principal
from astraeus_pipeline.errors import AstraeusError, DatabaseError

_LOG = structlog.get_logger(__name__)
# What a browser needs before anybody has signed in: forms, program files and fonts, no figures.
_OPEN: Final = ("/signin", "/oidc/", "/static/", "/app/static/", "/_stcore/health")
# What supervisors ask, without figures either; metrics have a token of their own.
_WATCHED: Final = frozenset({"/health/live", "/health/ready", "/metrics"})
# Streamlit's own doors that no person needs.
_CLOSED: Final = ("/_stcore/metrics", "/_stcore/agent")
_OURS: Final = b"x-astraeus-"
_SIGNED_OUT: Final = 4401
_TRY_LATER: Final = 1013


class SessionGate:
    """Lets through what has a live session, and tells Streamlit whose by a header of its own."""

    def __init__(
        self, app: ASGIApp, *, allowed_hosts: Sequence[str], csp: str, is_https: bool = False
    ) -> None:
        self._app, self._hosts, self._csp, self._is_https = app, allowed_hosts, csp, is_https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        is_https = self._is_https or scope.get("scheme") in ("https", "wss")
        send = headers.added(send, self._csp, is_https=is_https)
        if not hosts.is_allowed(connection.headers.get("host"), self._hosts):
            await _refuse(scope, receive, send, PlainTextResponse("Unknown host", 400))
            return
        try:
            who = await self._who(connection, scope["path"])
        except AstraeusError as error:
            await _refuse(scope, receive, send, _unavailable(error), _TRY_LATER)
            return
        refusal = None if who else _refusal(connection, scope)
        if scope["path"].startswith(_CLOSED):
            refusal = PlainTextResponse("Not found", 404)
        if refusal is not None:
            await _refuse(scope, receive, send, refusal)
            return
        await self._hand_on({**scope, "headers": _with_session(scope, who)}, receive, send)

    async def _hand_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except DatabaseError as error:
            if scope["type"] != "http" or has_begun:
                raise
            await _unavailable(error)(scope, receive, send)
        except Exception:
            # Answered here, as what stands outside of the gate answers without our headers.
            if scope["type"] == "http" and not has_begun:
                await PlainTextResponse("Something failed", 500)(scope, receive, send)
            raise

    async def _who(self, connection: HTTPConnection, path: str) -> Principal | None:
        token = connection.cookies.get(COOKIE)
        if not token or (_is_open(path) and not path.startswith("/signin")):
            return None
        return await to_thread.run_sync(store.live, key_of(token))


def _unavailable(error: AstraeusError) -> Response:
    """Say what is wrong; it may be well again soon."""
    _LOG.error("gate.failed", error=str(error))
    return PlainTextResponse(str(error), 503, {"retry-after": "10"})


def _is_open(path: str) -> bool:
    return path.startswith(_OPEN) or path in _WATCHED


def _refusal(connection: HTTPConnection, scope: Scope) -> Response | None:
    path = scope["path"]
    if scope["type"] == "http" and _is_open(path):
        return None
    is_page = scope.get("method") == "GET" and "text/html" in connection.headers.get("accept", "")
    if not is_page:
        # No redirect for files: the form behind it would hand out cookies that nobody asked for.
        return PlainTextResponse("Sign in", 401)
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = quote(f"{path}?{query}" if query else path, safe="")
    return RedirectResponse(f"/signin?next={wanted}", 303, {"cache-control": "no-store"})


def _with_session(scope: Scope, who: Principal | None) -> list[tuple[bytes, bytes]]:
    """Return the headers without what a client may have forged."""
    kept = [each for each in scope["headers"] if not each[0].lower().startswith(_OURS)]
    return [*kept, (SESSION_HEADER.encode(), who.session.encode())] if who else kept


async def _refuse(
    scope: Scope, receive: Receive, send: Send, answer: Response, code: int = _SIGNED_OUT
) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": code})
        return
    await answer(scope, receive, send)
