"""The pages in a real browser: the address is the view, and a session's end is every tab's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Browser, Page

from app.components import formats
from astraeus_pipeline.accounts import passwords
from astraeus_pipeline.warehouse import users
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import THROUGH
from tests.app.test_pages import total
from tests.e2e.browser import (
    Scheme,
    Window,
    chromium,
    needs_chromium,
    serving,
    settled,
    violations,
    window,
)

pytestmark = [pytest.mark.e2e, pytest.mark.integration, needs_chromium]
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(marts: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with marts.connect("app", autocommit=True) as conn:
        users.set_password_hash(conn, "admin@example.org", passwords.hashed(PASSWORD), actor="test")
    with serving(tmp_path_factory.mktemp("elsewhere")) as base:
        yield base


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Window]:
    """A window of a person who signed in with a password."""
    with window(browser, address) as made:
        sign_in(made)
        yield made


def sign_in(opened: Window) -> None:
    """Sign in with a password, as people do."""
    page = opened.page
    page.goto(f"{opened.address}/signin?next=/app/static/icon.svg")  # not to wait for a page
    page.get_by_label("Email").fill("admin@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/icon.svg")


def test_a_click_on_the_chart_goes_into_the_address_and_back(opened: Window) -> None:
    # Two days, so that a bar is hundreds of pixels wide and no label's width decides what is hit.
    first, last = THROUGH - timedelta(days=1), THROUGH
    page = opened.open(f"/costs?period=Custom&dates={first}&dates={last}")
    opened.drawn()
    whole = first_card(page)
    assert whole.startswith("$")
    box = page.get_by_test_id("stVegaLiteChart").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] - 60)
    page.wait_for_url("**provider=Acme**")
    opened.settle()
    assert parse_qs(urlparse(page.url).query) == {
        "period": ["Custom"],
        "dates": [str(first), str(last)],
        "provider": ["Acme"],
        "by": ["Service"],
    }
    page.reload()
    opened.settle()
    assert first_card(page) == whole
    page.get_by_role("button", name="Provider: Acme").click()
    page.wait_for_url(lambda url: "provider" not in url)


def test_a_shared_link_shows_the_same_figure(opened: Window, marts: Database) -> None:
    day = THROUGH.isoformat()
    page = opened.open(f"/costs?ccy=EUR&period=Custom&dates={day}&dates={day}&by=Service")
    assert first_card(page) == formats.exact(total(marts, "EUR", day, day), "EUR")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    assert download.value.suggested_filename == f"costs_service_{day}_{day}_EUR.csv"


def test_the_dashboard_leads_to_the_costs_of_all_services(opened: Window) -> None:
    page = opened.open("/")
    page.get_by_role("link", name="All services").click()
    page.wait_for_url("**/costs?by=Service")
    page.get_by_role("heading", name="Cost by service").wait_for()


def test_revocation_and_signing_out_end_every_tab(opened: Window, marts: Database) -> None:
    page = opened.open("/")
    other = page.context.new_page()
    other.goto(f"{opened.address}/costs")
    settled(other)
    with marts.connect("app", autocommit=True) as conn:
        user = users.by_email(conn, "admin@example.org")
        assert users.end_sessions(conn, user, actor="test", reason="test") >= 1
    for tab in (page, other):
        tab.get_by_role("button", name="Sign out").click()  # any click
        tab.get_by_text("Your session has ended").wait_for()
    page.reload()
    page.wait_for_url("**/signin?next=%2F")
    sign_in(opened)
    opened.open("/")
    copied = page.context.cookies()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("Your session has ended").wait_for()
    page.context.add_cookies(copied)  # type: ignore[arg-type] # as they came
    page.goto(f"{opened.address}/costs")
    assert urlparse(page.url).path == "/signin"
    opened.broken.clear()  # the browser's own word for 401, of tabs that have ended


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sign_in_page_is_accessible(browser: Browser, address: str, scheme: Scheme) -> None:
    with window(browser, address, scheme=scheme) as opened:
        page = opened.page
        page.goto(f"{address}/costs?by=Service")
        assert urlparse(page.url).path == "/signin"
        page.get_by_label("Email").fill("nobody@example.org")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("alert").wait_for()
        opened.broken.clear()  # the browser's own word for a sign-in that was refused
        assert violations(page) == []


def first_card(page: Page) -> str:
    return page.get_by_test_id("stMetricValue").first.inner_text()
