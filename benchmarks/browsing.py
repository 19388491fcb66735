"""What a person waits for in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from app.auth.cookies import COOKIE

_ARGS: Final = [
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--no-first-run",
]
_FIGURES: Final = "[data-testid=stMetricValue]"
_DRAWN: Final = "[data-testid=stVegaLiteChart] svg, [data-testid=stVegaLiteChart] canvas"
_READY: Final = (
    f"() => document.querySelectorAll('{_FIGURES}').length >= 4"
    f" && document.querySelector('{_DRAWN}') !== null"
)
_CHANGED: Final = (
    "former => { const now = document.querySelector('[data-testid=stMetricLabel]');"
    " return now && now.innerText !== former }"
)
_STILL: Final = "[data-testid=stApp][data-test-script-state=notRunning]"
_PATIENCE_MS: Final = 120_000
PERIODS: Final = ("Last month", "30 days", "90 days", "Month to date")
PAGES: Final = ("Costs", "Resources", "Budgets and alerts", "Accounts", "Dashboard")


@dataclass(frozen=True)
class Waits:
    """Seconds, each as often as it was tried."""

    first: float  # the first page of a server that has just started
    paints: Sequence[float]
    titles: Sequence[float]
    figures: Sequence[float]
    reloads: Sequence[float]
    filters: Sequence[float]
    switches: Sequence[float]


def waits(address: str, token: str, runs: int) -> Waits:
    """Open the app again and again, reload, filter and switch pages; return what was waited."""
    with _chromium() as browser:
        first = _cold(browser, address, token)[2]
        cold = [_cold(browser, address, token) for _ in range(runs)]
        with _person(browser, address, token) as person:
            page = person.new_page()
            page.goto(address)
            _ready(page)
            reloads = [_timed(lambda: page.reload(), lambda: _ready(page)) for _ in range(runs)]
            filters = _filtered(page, runs)
            switches = [_switched(page, name) for _ in range(runs) for name in PAGES]
    paints, titles, figures = zip(*cold, strict=True)
    return Waits(first, paints, titles, figures, reloads, filters, switches)


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


def _cold(browser: Browser, address: str, token: str) -> tuple[float, float, float]:
    """Open the app with nothing kept; return seconds to the first paint, the title, its figures."""
    with _person(browser, address, token) as person:
        page = person.new_page()
        started = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.wait_for_selector("h1", timeout=_PATIENCE_MS)
        titled = time.perf_counter() - started
        _ready(page)
        took = time.perf_counter() - started
        paint = page.evaluate(
            "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
        )
        return paint / 1000, titled, took


def _filtered(page: Page, runs: int) -> list[float]:
    """Choose periods on Costs; return seconds until the first card tells of the new days."""
    _switched(page, "Costs")
    page.wait_for_selector(_STILL, timeout=_PATIENCE_MS)
    taken = []
    for number in range(runs * len(PERIODS)):
        label = page.get_by_test_id("stMetricLabel").first.inner_text()
        name = PERIODS[number % len(PERIODS)]
        button = page.get_by_role("radio", name=name, exact=True).or_(
            page.get_by_role("button", name=name, exact=True)
        )
        taken.append(
            _timed(
                lambda button=button: button.first.click(),  # type: ignore[misc]
                lambda label=label: page.wait_for_function(  # type: ignore[misc]
                    _CHANGED, arg=label, timeout=_PATIENCE_MS
                ),
            )
        )
        page.wait_for_selector(_STILL, timeout=_PATIENCE_MS)
        page.wait_for_timeout(300)  # a person looks; the chart is drawn
    return taken


def _switched(page: Page, name: str) -> float:
    """Go to a page by the navigation; return seconds until its title and its script's end."""

    def there() -> None:
        page.wait_for_function(
            "name => [...document.querySelectorAll('h1')].some(h => h.innerText === name)",
            arg=name,
            timeout=_PATIENCE_MS,
        )
        page.wait_for_selector(_STILL, timeout=_PATIENCE_MS)

    link = page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True)
    taken = _timed(lambda: link.click(), there)
    page.wait_for_timeout(300)
    return taken


def _timed(act: object, wait: object) -> float:
    assert callable(act) and callable(wait)
    started = time.perf_counter()
    act()
    wait()
    return time.perf_counter() - started


def _ready(page: Page) -> None:
    page.wait_for_function(_READY, timeout=_PATIENCE_MS)


@contextmanager
def _person(browser: Browser, address: str, token: str) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1440, "height": 1100})
    context.add_cookies(
        [
            {
                "name": COOKIE,
                "value": token,
                "url": address.replace("http:", "https:"),
                "secure": True,
                "httpOnly": True,
                "sameSite": "Lax",
            }
        ]
    )
    try:
        yield context
    finally:
        context.close()


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_ARGS)
        try:
            yield browser
        finally:
            browser.close()
