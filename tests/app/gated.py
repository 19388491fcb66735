"""A small app behind the real gate and the real forms, and browsers without a screen."""

from __future__ import annotations

import re
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from app.auth.cookies import SESSION_HEADER
from app.auth.gate import SessionGate
from app.auth.headers import policy
from app.auth.oidc import OidcRoutes
from app.auth.routes import ROUTES
from app.health import HEALTH

BASE: Final = "https://127.0.0.1"
SOCKET: Final = "wss://127.0.0.1/_stcore/stream"  # whole: the client forgets its base here
PAGE: Final = {"accept": "text/html"}


async def _echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(",".join(request.headers.getlist(SESSION_HEADER)) or "nobody")


async def _socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(websocket.headers.get(SESSION_HEADER, "nobody"))
    await websocket.close()


async def _broken(_: Request) -> PlainTextResponse:
    raise RuntimeError("on purpose")


APP: Final = Starlette(
    routes=[
        *ROUTES,
        *HEALTH,
        Mount("/oidc", OidcRoutes()),
        WebSocketRoute("/_stcore/stream", _socket),
        Route("/broken", _broken),
        Route("/{path:path}", _echo),
    ],
    middleware=[Middleware(SessionGate, allowed_hosts=["127.0.0.1"], csp=policy(["'sha256-x'"]))],
)


def browser(address: str = "192.0.2.1", **cookies: str) -> TestClient:
    """Return a browser that follows no redirect; each has cookies of its own."""
    return TestClient(
        APP,
        BASE,
        follow_redirects=False,
        raise_server_exceptions=False,
        cookies=cookies,
        client=(address, 50000),
    )


def form_of(answer: Any) -> dict[str, str]:
    """Return the hidden fields of a page's form."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.text))


def sign_in(client: TestClient, email: str, password: str, wanted: str = "/") -> Any:
    """Fill in the form and send it."""
    fields = form_of(client.get("/signin", params={"next": wanted}, headers=PAGE))
    return client.post("/signin", data={**fields, "email": email, "password": password})
