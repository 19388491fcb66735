"""The app served as people start it, and windows of a real browser that watch what goes wrong."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, Literal
from urllib.parse import urlparse

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    TimeoutError,
    sync_playwright,
)

from app.auth.cookies import COOKIE

CHROMIUM: Final = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
_ENTRY: Final = Path(__file__).parents[2] / "app" / "asgi.py"
_ARGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
]
# Streamlit asks for these below the page's own path, where nothing is.
_KNOWN: Final = ("/_stcore/health", "/_stcore/host-config")
# The places and sizes of what is shown, and what charts have drawn.
_LAYOUT: Final = """() => JSON.stringify([
    ...Array.from(document.querySelectorAll("[data-testid]"), (each) => {
        const box = each.getBoundingClientRect();
        return [box.x, box.y, box.width, box.height];
    }),
    ...Array.from(document.querySelectorAll("[data-testid=stVegaLiteChart] canvas"), (each) =>
        each.toDataURL().length),
])"""
_FITS: Final = """() => [
    document.scrollingElement, document.querySelector("[data-testid=stMain]")
].every((each) => each.scrollWidth <= each.clientWidth)"""

Scheme = Literal["light", "dark"]


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Start the app in this environment, from a folder of no importance; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(_ENTRY), "--server.port", str(port)],
        cwd=folder,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(f"{base}/_stcore/health")
        yield base
    finally:
        started.terminate()
        try:
            started.wait(60)
        except subprocess.TimeoutExpired:  # a busy machine; nothing of it is to stay
            started.kill()
            started.wait(10)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGS)
        try:
            yield started
        finally:
            started.close()


@dataclass
class Window:
    """A window of one person, and all that it did that it must not do."""

    page: Page
    address: str
    foreign: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a path of the app and wait until it is drawn."""
        self.page.goto(f"{self.address}{path}")
        self.settle()
        return self.page

    def turn_to(self, title: str) -> None:
        """Go to a page by its link in the sidebar, and wait until it is drawn."""
        self.page.get_by_test_id("stSidebarNavLink").filter(has_text=title).click()
        self.page.get_by_role("heading", name=title, exact=True).wait_for()
        self.settle()

    def resize(self, width: int) -> None:
        """Make the window this wide, and wait until the page has taken it."""
        self.page.set_viewport_size({"width": width, "height": 1500})
        self.still(0.5)

    def has_sidebar(self) -> bool:
        """Say whether the sidebar is open."""
        box = self.page.get_by_test_id("stSidebar").bounding_box()
        return box is not None and box["x"] >= 0 and box["width"] > 0

    def fits(self) -> bool:
        """Say whether neither the page nor what scrolls in it comes to be wider than its room."""
        try:
            self.page.wait_for_function(_FITS, timeout=10_000)
        except TimeoutError:
            return False
        return True

    def settle(self) -> None:
        """Wait until the script has ended."""
        settled(self.page)

    def drawn(self) -> None:
        """Wait until the first chart is drawn, which is after the script has ended."""
        self.page.get_by_test_id("stVegaLiteChart").first.locator("canvas, svg").first.wait_for()
        self.still()

    def still(self, seconds: float = 1.0) -> None:
        """Wait until nothing has moved for so long: charts move when their width is known."""
        until, before, since = monotonic() + 60, "", monotonic()
        while monotonic() < since + seconds:
            assert monotonic() < until, "the page does not come to rest"
            sleep(0.2)
            if (now := self.page.evaluate(_LAYOUT)) != before:
                before, since = now, monotonic()

    def check(self) -> None:
        """Fail if anything was asked of another host, or went wrong in the page."""
        assert self.foreign == []
        assert self.broken == []
        assert self.page.get_by_test_id("stException").count() == 0


@contextmanager
def window(
    browser: Browser,
    address: str,
    name: str | None = None,
    *,
    width: int = 1440,
    height: int = 1500,
    scheme: Scheme = "light",
) -> Iterator[Window]:
    """Open a window of a person that the fixtures signed in, or of nobody; check it at the end."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        reduced_motion="reduce",  # nobody looks on, and each frame is drawn by the processor
        accept_downloads=True,
    )
    if name is not None:
        _sign_in(context, name, address)
    context.set_default_timeout(60_000)  # of a machine that tests share
    opened = Window(context.new_page(), address)
    own = (address, address.replace("http", "ws"), "data:", "blob:")
    opened.page.on(
        "request",
        lambda sent: None if sent.url.startswith(own) else opened.foreign.append(sent.url),
    )
    opened.page.on("pageerror", lambda error: opened.broken.append(str(error)))
    opened.page.on("console", lambda said: opened.broken.extend(_wrong(said)))
    yield opened
    opened.check()
    context.close()


def settled(page: Page) -> None:
    """Wait until the script of a page has ended."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=60_000)


def _sign_in(context: BrowserContext, name: str, address: str) -> None:
    context.add_cookies(
        [
            {
                "name": COOKIE,
                "value": f"token of {name}",
                # Secure, as it is: browsers take this machine for safe without TLS.
                "url": address.replace("http:", "https:"),
                "secure": True,
                "httpOnly": True,
                "sameSite": "Lax",
            }
        ]
    )


def _wrong(said: ConsoleMessage) -> list[str]:
    is_known = urlparse(said.location["url"]).path.endswith(_KNOWN)
    # Streamlit's word for a page that is not for this person: it shows the first one instead.
    if said.type != "error" or is_known or "does not seem to exist" in said.text:
        return []
    return [f"{said.text} ({said.location['url']})"]


def _wait(url: str) -> None:
    until = monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            if monotonic() > until:
                raise
            sleep(0.3)


def violations(page: Page) -> list[str]:
    """Return what axe finds against WCAG 2.1 AA, without what is the framework's own."""
    from axe_playwright_python.sync_playwright import Axe

    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"], "resultTypes": ["violations"]}
    found: Any = Axe().run(page, options=options)
    return [
        f"{each['id']}: {node['html'][:160]}"
        for each in found.response["violations"]
        if each["id"] not in ("list", "listitem", "svg-img-alt")
        for node in each["nodes"]
    ]
