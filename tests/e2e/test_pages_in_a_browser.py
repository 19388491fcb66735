"""The pages in a real browser: the address is the view, and nothing is asked of other hosts."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from urllib.error import URLError
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Page, sync_playwright

from app.components import formats
from app.queries import periods
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import THROUGH, marts
from tests.app.test_pages import total

__all__ = ["marts"]
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here"),
]
ENTRY = Path(__file__).parents[2] / "app" / "streamlit_app.py"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
]


@pytest.fixture(scope="module")
def address(marts: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(ENTRY), "--server.port", str(port)],
        cwd=tmp_path_factory.mktemp("elsewhere"),
    )
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(f"{base}/_stcore/health")
        yield base
    finally:
        started.terminate()
        started.wait(20)


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        opened = browser.new_context(viewport={"width": 1440, "height": 1500}).new_page()
        foreign: list[str] = []
        broken: list[str] = []
        own = (address, address.replace("http", "ws"), "data:", "blob:")
        opened.on(
            "request", lambda sent: None if sent.url.startswith(own) else foreign.append(sent.url)
        )
        opened.on("pageerror", lambda error: broken.append(str(error)))
        yield opened
        browser.close()
        assert foreign == []
        assert broken == []


def test_a_click_on_the_chart_goes_into_the_address_and_back(page: Page, address: str) -> None:
    page.goto(f"{address}/costs")
    _settle(page)
    whole = _first_card(page)
    month = periods.period("Month to date", THROUGH)
    assert whole.startswith("$")
    box = page.get_by_test_id("stVegaLiteChart").first.bounding_box()
    assert box is not None
    width = (box["width"] - 60) / len(month)
    page.mouse.click(box["x"] + 55 + width / 2, box["y"] + box["height"] - 60)
    page.wait_for_url("**provider=Acme**")
    _settle(page)
    assert parse_qs(urlparse(page.url).query) == {"provider": ["Acme"], "by": ["Service"]}
    page.reload()
    _settle(page)
    assert _first_card(page) == whole
    page.get_by_role("button", name="Provider: Acme").click()
    page.wait_for_url(lambda url: "provider" not in url)


def test_a_shared_link_shows_the_same_figure(page: Page, address: str, marts: Database) -> None:
    day = THROUGH.isoformat()
    page.goto(f"{address}/costs?ccy=EUR&period=Custom&dates={day}&dates={day}&by=Service")
    _settle(page)
    assert _first_card(page) == formats.exact(total(marts, "EUR", day, day), "EUR")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename == f"costs_service_{day}_{day}_EUR.csv"


def test_the_dashboard_leads_to_the_costs_of_all_services(page: Page, address: str) -> None:
    page.goto(address)
    _settle(page)
    page.get_by_role("link", name="All services").click()
    page.wait_for_url("**/costs?by=Service")
    _settle(page)
    assert page.get_by_role("heading", name="Cost by service").is_visible()


def _first_card(page: Page) -> str:
    return page.get_by_test_id("stMetricValue").first.inner_text()


def _settle(page: Page) -> None:
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=60_000)
    page.get_by_test_id("stVegaLiteChart").first.wait_for()
    sleep(1.5)  # the canvas is drawn after the script has ended


def _wait(url: str) -> None:
    until = monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (URLError, ConnectionError):
            if monotonic() > until:
                raise
            sleep(0.3)
