"""What stands between the connector and the emulated Snowflake, and fails on request."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from astraeus_pipeline.sandbox.loopback import LoopbackServer

LOGIN: Final = "/session/v1/login-request"
QUERY: Final = "/queries/v1/query-request"
_HOP_BY_HOP: Final = frozenset({"connection", "transfer-encoding", "content-length", "host"})


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request; it is used up as it happens.

    `status` and `code` are answers in Snowflake's place, `hang` seconds of silence before the
    good answer; `cut` ends the connection half-way through it, `half` sends its first half as if
    that were all; `clock` puts Snowflake's clock off by seconds; `bend` edits the good answer.
    """

    status: int | None = None
    code: str | None = None
    message: str = "on request"
    headers: dict[str, str] = field(default_factory=dict)
    hang: float = 0
    cut: bool = False
    half: bool = False
    clock: float = 0
    bend: Callable[[dict[str, Any]], None] | None = None


@dataclass
class Faults:
    """The faults of the next log-ins and of the next statements, in order."""

    login: list[Fault] = field(default_factory=list)
    query: list[Fault] = field(default_factory=list)

    def next(self, path: str) -> Fault | None:
        """Return the fault of a request to `path`, if one is due."""
        due = self.login if path == LOGIN else self.query if path == QUERY else []
        return due.pop(0) if due else None


class FaultyProxy(LoopbackServer):
    """Forwards to a port of this machine; `before` is called ahead of each log-in."""

    def __init__(self, target: int, before: Callable[[], None], port: int = 0) -> None:
        self.faults = Faults()
        self.requests: list[str] = []
        self._target, self._before = target, before
        super().__init__(port)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Forward one request, or answer with the fault that is due."""
        with contextlib.suppress(ConnectionError):  # who has waited long enough is gone
            self._answer(handler)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.split("?")[0]
        self.requests.append(path)
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        fault = self.faults.next(path) or Fault()
        if path == LOGIN:
            self._before()
        time.sleep(fault.hang)
        if fault.status or fault.code:
            refused: dict[str, Any] = {
                "success": False,
                "code": fault.code,
                "message": fault.message,
                "data": {},
            }
            _send(handler, fault.status or 200, json.dumps(refused).encode(), fault.headers)
            return
        status, answer = self._forward(handler, body, fault)
        if fault.bend:
            content = json.loads(answer)
            fault.bend(content)
            answer = json.dumps(content).encode()
        if fault.half:
            answer = answer[: len(answer) // 2]
        _send(handler, status, answer, {}, cut=fault.cut)

    def _forward(
        self, handler: BaseHTTPRequestHandler, body: bytes, fault: Fault
    ) -> tuple[int, bytes]:
        headers = {k: v for k, v in handler.headers.items() if k.lower() not in _HOP_BY_HOP}
        headers["accept-encoding"] = "identity"
        if fault.clock:
            headers["x-sandbox-clock"] = str(fault.clock)
        connection = http.client.HTTPConnection("127.0.0.1", self._target, timeout=120)
        try:
            connection.request(handler.command, handler.path, body, headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()


def _send(
    handler: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    headers: dict[str, str],
    *,
    cut: bool = False,
) -> None:
    handler.send_response(status)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2] if cut else body)
    if cut:
        handler.close_connection = True
