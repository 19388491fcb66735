"""The servers over HTTP on this machine, an issuer of tokens, and who bears them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import anyio
import httpx
import httpx2
import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.types import ASGIApp

KEY: Final = ec.generate_private_key(ec.SECP256R1())
LIST: Final = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT: Final = {"accept": "application/json, text/event-stream"}


@dataclass(frozen=True)
class Site:
    """Where the issuer is, and where the server."""

    issuer: str
    url: str

    def token(self, subject: str | None = "s-beta", key: Any = KEY, **more: Any) -> str:
        claims = {
            "iss": self.issuer,
            "aud": self.url,
            "exp": int(time.time()) + 600,
            "scope": "openid finops:read",
            **({"sub": subject} if subject else {}),
            **more,
        }
        algorithm = more.pop("algorithm", "ES256")
        return jwt.encode(claims, key, algorithm, headers={"kid": "k1"})

    def ask(self, token: str | None, **headers: str) -> httpx.Response:
        sent = {**ACCEPT, **({"authorization": f"Bearer {token}"} if token else {}), **headers}
        return httpx.post(self.url, json=LIST, headers=sent, timeout=30)

    def call(self, token: str, arguments: dict[str, Any]) -> Any:
        return self.calls(token, {"get_costs": arguments})["get_costs"]

    def calls(self, token: str, asked: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        """Return what tools answer, by their names."""

        async def talk() -> dict[str, Any]:
            async with (
                httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}) as http,
                Client(streamable_http_client(self.url, http_client=http)) as client,
            ):
                return {name: await client.call_tool(name, each) for name, each in asked.items()}

        return anyio.run(talk)


@contextmanager
def issuing() -> Iterator[str]:
    """Run an issuer that tells the public half of KEY; yield its address."""
    public = {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())), "kid": "k1"}

    class Issuer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_keys = self.path == "/keys"
            told = {"keys": [public]} if is_keys else {"issuer": mine, "jwks_uri": f"{mine}/keys"}
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    mine = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield mine
    server.shutdown()


@contextmanager
def serving(app: ASGIApp, port: int) -> Iterator[None]:
    """Serve an app on this machine."""
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield
    server.should_exit = True
    thread.join(10)
