"""The app in front of a person: served, looked at, killed and served again."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Final, Self

import httpx
from websockets.exceptions import WebSocketException

from app.auth.cookies import COOKIE
from benchmarks.chaos.invariants import Look
from benchmarks.scratch import Scratch
from benchmarks.served import Served, served
from benchmarks.tabs import tab
from benchmarks.warehouses import ADMIN_TOKEN

_PATIENCE: Final = 60.0
PAGES: Final = ("", "costs", "budgets")


class Pages:
    """The app over an installation, and a person who is signed in."""

    def __init__(self, place: Scratch) -> None:
        self._place = place
        self._stack = ExitStack()
        self.app: Served

    def __enter__(self) -> Self:
        self.app = self._stack.enter_context(served(self._place))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def kill(self) -> None:
        """Kill the app; a person finds nobody there."""
        self.app.process.kill()

    def start_again(self) -> None:
        """Start the app as its supervisor would."""
        self._stack.close()
        self.app = self._stack.enter_context(served(self._place))

    def look(self, *pages: str) -> Look:
        """Ask whether it is ready, for a page as a browser does, and draw the pages."""
        return look_at(self.app.address, ADMIN_TOKEN, pages or PAGES)


def look_at(address: str, token: str, pages: tuple[str, ...]) -> Look:
    """Look at an app at its address, as the person whose session the token is."""
    headers = {"cookie": f"{COOKIE}={token}", "accept": "text/html"}
    with httpx.Client(timeout=_PATIENCE) as client:
        ready = client.get(f"{address}/health/ready")
        page = client.get(address, headers=headers)
    return Look(
        ready.status_code,
        ready.text,
        page.status_code,
        page.text if page.status_code != 200 else "",
        asyncio.run(_drawn(address, token, pages)),
    )


async def _drawn(address: str, token: str, pages: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return what failed on the pages; None if the socket was refused."""
    errors: list[str] = []
    try:
        async with asyncio.timeout(_PATIENCE), tab(address, token) as opened:
            errors += (await opened.open("")).errors
            for page in pages:
                if page:
                    errors += (await opened.open(page)).errors
    except (OSError, WebSocketException, TimeoutError):
        return None
    return tuple(errors)
