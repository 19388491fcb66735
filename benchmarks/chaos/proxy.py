"""A TCP proxy on the loopback that delays every piece, or cuts all of its connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

_PIECE: Final = 1 << 16
_T = TypeVar("_T")


class Proxy:
    """Passes on to one address; `delay` is in seconds, for each piece in either direction.

    `delayed` counts the pieces that were held up.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self.delay = 0.0
        self.delayed = 0
        self.port = 0

    def cut(self) -> int:
        """End all connections without a word; return how many there were."""
        return self._run(self._cut())

    async def _cut(self) -> int:
        count = len(self._open)
        for writer in [*self._open]:
            writer.transport.abort()
        return count // 2

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def _pass_on(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            far, on = await asyncio.open_connection(*self._target)
        except OSError:
            back.transport.abort()
            return
        self._open |= {back, on}
        await asyncio.gather(self._copy(near, on), self._copy(far, back))
        self._open -= {back, on}

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(_PIECE):
                if self.delay:
                    self.delayed += 1
                    await asyncio.sleep(self.delay)
                sink.write(piece)
                await sink.drain()
        sink.close()

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


@contextmanager
def proxy(host: str, port: int) -> Iterator[Proxy]:
    """Run a proxy until the end of the block."""
    made = Proxy(host, port)
    thread = threading.Thread(target=made._loop.run_forever, daemon=True)
    thread.start()
    try:
        made._run(made._serve())
        yield made
    finally:
        made.cut()
        made._loop.call_soon_threadsafe(made._loop.stop)
        thread.join()
