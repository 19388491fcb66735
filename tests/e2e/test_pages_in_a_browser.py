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
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Page, sync_playwright

from app.components import formats
from app.queries import periods
from astraeus_pipeline.accounts import passwords
from astraeus_pipeline.warehouse import users
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import THROUGH
from tests.app.test_pages import total

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here"),
]
PASSWORD = "correct horse battery"
ENTRY = Path(__file__).parents[2] / "app" / "asgi.py"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
]


@pytest.fixture(scope="module")
def address(marts: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with marts.connect("app", autocommit=True) as conn:
        users.set_password_hash(conn, "admin@example.org", passwords.hashed(PASSWORD), actor="test")
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
        started.wait(60)


def sign_in(page: Page, address: str, name: str = "admin") -> None:
    """Sign in with a password, as people do."""
    page.goto(f"{address}/signin?next=/app/static/icon.svg")  # not to wait for a page
    page.get_by_label("Email").fill(f"{name}@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/icon.svg")


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        opened = browser.new_context(viewport={"width": 1440, "height": 1500}).new_page()
        sign_in(opened, address)
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
        page.get_by_role("button", name="CSV", exact=True).click()
    assert download.value.suggested_filename == f"costs_service_{day}_{day}_EUR.csv"


def test_the_dashboard_leads_to_the_costs_of_all_services(page: Page, address: str) -> None:
    page.goto(address)
    _settle(page)
    page.get_by_role("link", name="All services").click()
    page.wait_for_url("**/costs?by=Service")
    _settle(page)
    assert page.get_by_role("heading", name="Cost by service").is_visible()


def test_revocation_and_signing_out_end_every_tab(
    page: Page, address: str, marts: Database
) -> None:
    page.goto(address)
    _settle(page)
    other = page.context.new_page()
    other.goto(f"{address}/costs")
    _settle(other)
    with marts.connect("app", autocommit=True) as conn:
        user = users.by_email(conn, "admin@example.org")
        assert users.end_sessions(conn, user, actor="test", reason="test") >= 1
    for tab in (page, other):
        tab.get_by_role("button", name="Sign out").click()  # any click
        tab.get_by_text("Your session has ended").wait_for()
    page.reload()
    page.wait_for_url("**/signin?next=%2F")
    sign_in(page, address)
    page.goto(address)
    _settle(page)
    copied = page.context.cookies()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("Your session has ended").wait_for()
    page.context.add_cookies(copied)  # type: ignore[arg-type] # as they came
    page.goto(f"{address}/costs")
    assert urlparse(page.url).path == "/signin"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sign_in_page_is_accessible(address: str, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        page = browser.new_context(color_scheme=scheme).new_page()  # type: ignore[arg-type]
        page.goto(f"{address}/costs?by=Service")
        assert urlparse(page.url).path == "/signin"
        page.get_by_label("Email").fill("nobody@example.org")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("alert").wait_for()
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})
        browser.close()
    assert found.violations_count == 0, found.generate_report()


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
        except OSError:
            if monotonic() > until:
                raise
            sleep(0.3)
