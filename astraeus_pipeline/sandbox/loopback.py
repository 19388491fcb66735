"""An HTTP server on 127.0.0.1, on a thread of its own; what it answers is its subclass's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar, Final, Self

# How often it looks whether it is to end; the standard library's half a second is waited for by
# every test that stops one.
_SECONDS_BETWEEN_LOOKS: Final = 0.02


class LoopbackServer(ABC):
    """Serves from `start` until `stop`, or for a `with` block; other methods are answered 501."""

    methods: ClassVar[tuple[str, ...]] = ("GET", "POST")

    def __init__(self, port: int = 0) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        def answered(handler: BaseHTTPRequestHandler) -> None:
            self.answer(handler)

        for method in self.methods:
            setattr(Handler, f"do_{method}", answered)
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self._thread = Thread(
            target=self.server.serve_forever, args=(_SECONDS_BETWEEN_LOOKS,), daemon=True
        )

    @abstractmethod
    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request; requests come side by side, each on a thread."""

    @property
    def port(self) -> int:
        """The port that it serves on."""
        return self.server.server_port

    @property
    def url(self) -> str:
        """Address to put in the place of the vendor's."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End serving."""
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
