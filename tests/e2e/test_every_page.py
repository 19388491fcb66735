"""Every page, for every role, in every state of the data, width and theme, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from psycopg import sql

from astraeus_pipeline.contracts.people import ROLES
from astraeus_pipeline.warehouse.engine import Database
from tests.e2e.browser import Scheme, Window, chromium, needs_chromium, serving, violations, window

pytestmark = [pytest.mark.e2e, pytest.mark.integration, needs_chromium]

PAGES = {
    "/": "Dashboard",
    "/costs": "Costs",
    "/resources": "Resources",
    "/trace": "Trace",
    "/budgets": "Budgets and alerts",
    "/accounts": "Accounts",
}
FOR_ADMINISTRATORS = {"/admin": "Administration"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(marts: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("elsewhere")) as base:
        yield base


def walk(opened: Window, pages: dict[str, str] = PAGES) -> None:
    """Open every page; each has its heading, and fails nowhere."""
    for path, title in pages.items():
        page = opened.open(path)
        page.get_by_role("heading", name=title, exact=True).wait_for()
        assert page.get_by_text("Traceback").count() == 0
        opened.check()


@pytest.mark.parametrize("role", ROLES)
def test_every_role_sees_every_page_that_is_for_it(
    browser: Browser, address: str, role: str
) -> None:
    with window(browser, address, role) as opened:
        walk(opened)
        if role == "admin":
            walk(opened, FOR_ADMINISTRATORS)
        else:
            page = opened.open("/admin")
            assert page.get_by_role("heading", name="Administration").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 1024, 1440])
def test_every_page_fits_and_can_be_read_by_all(
    browser: Browser, address: str, width: int, scheme: Scheme
) -> None:
    found = {}
    with window(browser, address, "admin", width=width, scheme=scheme) as opened:
        for path, title in (PAGES | FOR_ADMINISTRATORS).items():
            page = opened.open(path)
            page.get_by_role("heading", name=title, exact=True).wait_for()
            too_wide = page.evaluate(
                "document.scrollingElement.scrollWidth > document.scrollingElement.clientWidth"
            )
            assert not too_wide, path
            if wrong := violations(page):
                found[path] = wrong
    assert found == {}


def test_an_empty_installation_says_how_to_begin(
    browser: Browser, empty: Database, tmp_path: Path
) -> None:
    with serving(tmp_path) as base, window(browser, base, "viewer") as opened:
        for path in ("/", "/costs", "/resources", "/trace"):
            opened.open(path).get_by_text("No costs have been ingested yet").wait_for()
        for path in ("/budgets", "/accounts"):
            opened.open(path)


def test_a_late_feed_is_named_beside_every_figure(
    browser: Browser, address: str, marts: Database
) -> None:
    with late(marts, "beta", 12), window(browser, address, "viewer") as opened:
        for path in ("/costs", "/trace", "/"):
            opened.open(path).get_by_text("1 late").wait_for()
        opened.page.get_by_text("beta is behind").wait_for()


def test_a_database_that_is_down_is_said_and_comes_back(
    browser: Browser, address: str, marts: Database
) -> None:
    with window(browser, address, "viewer") as opened:
        opened.open("/costs")
        with down(marts):
            for path in PAGES:
                answer = opened.page.goto(f"{address}{path}")
                assert answer is not None and answer.status == 503
                assert "The database did not answer" in opened.page.content()
            opened.broken.clear()  # the browser's own word for 503
        opened.open("/costs").get_by_role("heading", name="Costs", exact=True).wait_for()


@contextmanager
def late(database: Database, account: str, days: int) -> Iterator[None]:
    """Let an account be behind, as the marts tell it."""
    move = (
        "update marts.dim_accounts set data_through = data_through + %s::integer"
        " where account_id = %s"
    )
    with database.connect("dbt", autocommit=True) as conn:
        conn.execute(move, [-days, account])
        _rebuilt(database)
        try:
            yield
        finally:
            conn.execute(move, [days, account])
            _rebuilt(database)


def _rebuilt(database: Database) -> None:
    """Let the app's cache see another build."""
    with database.connect("dbt", autocommit=True) as conn:
        conn.execute("update marts.data_version set invocation_id = gen_random_uuid()::text")


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
