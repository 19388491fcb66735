"""Every page, for every role, in every state of the data, width and theme, in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from time import sleep
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser
from psycopg import sql

from app.components.cache import SECONDS_BETWEEN_BUILDS
from astraeus_pipeline.contracts.people import ROLES
from astraeus_pipeline.warehouse.engine import Database
from tests.e2e.browser import Scheme, Window, chromium, needs_chromium, serving, violations, window

pytestmark = [pytest.mark.e2e, pytest.mark.integration, needs_chromium]

PAGES = {
    "/": "Dashboard",
    "/costs": "Costs",
    "/resources": "Resources",
    "/trace": "Trace",
    "/chat": "Chat",
    "/budgets": "Budgets and alerts",
    "/accounts": "Accounts",
}
FOR_ADMINISTRATORS = {"/admin": "Administration"}
# What every page of figures says where there are none.
BEFORE_ANY_COST = "No costs have been ingested yet"
WIDTHS = (420, 1024, 1440)
NARROW = 768  # up to here the sidebar is closed until it is asked for
WITHOUT_FIGURES = ("/", "/costs", "/resources", "/trace", "/chat")
# Paths asked for side by side, each with its status and text.
ANSWERS = """paths => Promise.all(paths.map(async (path) => {
    const answer = await fetch(path, {cache: "no-store"});
    return {status: answer.status, text: await answer.text()};
}))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(marts: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("elsewhere")) as base:
        yield base


def pages_of(role: str) -> dict[str, str]:
    return PAGES | (FOR_ADMINISTRATORS if role == "admin" else {})


def walk(opened: Window, role: str, look: Callable[[str], None]) -> None:
    """Open a page, and from it every other that is for a role; each has its heading, none fails."""
    page = opened.open("/")
    for path, title in pages_of(role).items():
        if path != "/":
            opened.turn_to(title)
        page.get_by_role("heading", name=title, exact=True).wait_for()
        assert urlparse(page.url).path == path
        assert page.get_by_text("Traceback").count() == 0
        look(path)
        opened.check()


def test_an_empty_installation_says_how_to_begin_to_every_role(
    browser: Browser, empty: Database, tmp_path: Path
) -> None:
    with serving(tmp_path) as base:
        for role in ROLES:
            with window(browser, base, role) as opened:

                def says_how(path: str, opened: Window = opened) -> None:
                    if path in WITHOUT_FIGURES:
                        opened.page.get_by_text(BEFORE_ANY_COST).wait_for()

                walk(opened, role, says_how)


def test_an_outage_and_then_a_late_feed_are_told_on_every_page_to_every_role(
    browser: Browser, address: str, marts: Database
) -> None:
    """One walk says both: each page is there again for each role, and names the feed."""
    with late(marts, "beta", 12), ExitStack() as stack:
        windows = {role: stack.enter_context(window(browser, address, role)) for role in ROLES}
        for opened in windows.values():
            opened.open("/costs")
        with down(marts):
            for opened in windows.values():
                opened.page.get_by_role("link", name="Dashboard").click()
            for opened in windows.values():
                # What is open already says it in its place.
                opened.page.get_by_text("The database did not answer").first.wait_for()
                assert opened.page.get_by_text("Traceback").count() == 0
                opened.broken.clear()  # the browser's own word for 503
            # Who asks for a page anew is asked before it is known who that is: one role is enough.
            asked = windows["admin"].page.evaluate(ANSWERS, list(pages_of("admin")))
            assert [each["status"] for each in asked] == [503] * len(pages_of("admin"))
            assert all("The database did not answer" in each["text"] for each in asked)
            answer = windows["admin"].page.goto(address)
            assert answer is not None and answer.status == 503
            windows["admin"].page.get_by_text("The database did not answer").first.wait_for()
            windows["admin"].broken.clear()
        for role, opened in windows.items():

            def names_it(path: str, opened: Window = opened) -> None:
                if path not in FOR_ADMINISTRATORS:
                    opened.page.get_by_text("1 late").wait_for()
                if path == "/":
                    opened.page.get_by_text("beta is behind").wait_for()

            walk(opened, role, names_it)
            if role != "admin":
                page = opened.open("/admin")
                assert page.get_by_role("heading", name="Administration").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_and_can_be_read_by_all(
    browser: Browser, address: str, scheme: Scheme
) -> None:
    # Each page is loaded once: as on a phone in one scheme, as on a desk in the other.
    widths = WIDTHS if scheme == "dark" else WIDTHS[::-1]
    found = {}
    with window(browser, address, "admin", width=widths[0], scheme=scheme) as opened:
        for path, title in pages_of("admin").items():
            opened.page.set_viewport_size({"width": widths[0], "height": 1500})
            page = opened.open(path)
            page.get_by_role("heading", name=title, exact=True).wait_for()
            for width in widths:
                opened.resize(width)
                assert opened.has_sidebar() == (width > NARROW), (path, width)
                assert opened.fits(), (path, width)
                if wrong := violations(page):
                    found[path, width] = wrong
    assert found == {}


@contextmanager
def late(database: Database, account: str, days: int) -> Iterator[None]:
    """Let an account be behind, as the marts tell it."""
    _move(database, account, -days)
    try:
        yield
    finally:
        _move(database, account, days)


def _move(database: Database, account: str, days: int) -> None:
    """Let another build have moved an account's end, and wait until the app must have seen it."""
    with database.connect("dbt", autocommit=True) as conn:
        conn.execute(
            "update marts.dim_accounts set data_through = data_through + %s::integer"
            " where account_id = %s",
            [days, account],
        )
        conn.execute("update marts.data_version set invocation_id = gen_random_uuid()::text")
    sleep(SECONDS_BETWEEN_BUILDS + 1)


@contextmanager
def down(database: Database) -> Iterator[None]:
    """Let the database take no connection, and end those that it has."""
    name = str(database.admin_url.database)
    allow = sql.SQL("alter database {} with allow_connections {}")
    server = replace(database, admin_url=database.admin_url.set(database="postgres"))
    with server.connect("admin", autocommit=True) as conn:
        conn.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name]
        )
        try:
            yield
        finally:
            conn.execute(allow.format(sql.Identifier(name), sql.SQL("true")))
