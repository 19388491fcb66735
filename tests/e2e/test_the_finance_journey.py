"""A morning of a finance person: sign in, find what changed, follow it, export, budget, alert.

The mail comes from the sensor's own code over real SMTP; only Dagster's clock is not waited for.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from email.message import Message
from pathlib import Path

import pytest
from playwright.sync_api import Page

from app.components import formats
from app.queries import periods
from astraeus_pipeline.accounts import passwords
from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.alerts.address import parse
from astraeus_pipeline.orchestration import alert_channels, alerting
from astraeus_pipeline.orchestration.alert_sending import Sender
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import alert_rules, users
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import THROUGH, build
from tests.app.test_pages import total
from tests.e2e.browser import Window, chromium, needs_chromium, serving, window
from tests.fixtures.receivers import Received, mail_address, mail_server

pytestmark = [pytest.mark.e2e, pytest.mark.integration, needs_chromium]
PASSWORD = "correct horse battery"
NAME = "Everything we buy"


@pytest.fixture(scope="module")
def opened(marts: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    """A window that nobody has signed in to."""
    with marts.connect("app", autocommit=True) as conn:
        users.set_password_hash(
            conn, "budget_owner@example.org", passwords.hashed(PASSWORD), actor="test"
        )
    with (
        serving(tmp_path_factory.mktemp("elsewhere")) as base,
        chromium() as browser,
        window(browser, base) as made,
    ):
        yield made


def test_a_finance_persons_morning(opened: Window, marts: Database, tmp_path: Path) -> None:
    page = opened.page
    month = periods.period("Month to date", THROUGH)
    expected = total(marts, "USD", month.first, month.last)

    page.goto(f"{opened.address}/")
    page.wait_for_url("**/signin?next=%2F")
    page.get_by_label("Email").fill("budget_owner@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Dashboard", exact=True).wait_for()
    opened.settle()
    assert card(page, "Month to date") == formats.card(expected, "USD")

    page.get_by_role("link", name="All services").click()
    page.wait_for_url("**/costs?by=Service")
    opened.settle()
    page.get_by_text("Why it changed").click()
    page.get_by_text("All of them add up to the change exactly").wait_for()

    page.get_by_role("link", name="Follow this number").click()
    page.get_by_role("heading", name="Trace", exact=True).wait_for()
    opened.settle()
    assert card(page, "Billed cost") == formats.exact(expected, "USD")
    page.get_by_text("exactly the figure").wait_for()
    page.get_by_text("exactly this figure").or_(page.get_by_text("exactly delivery")).wait_for()
    [sha256] = marts_values(
        marts,
        "select payload_sha256 from marts.fct_deliveries"
        " where account_id = 'acme' and dataset = 'costs'",
    )
    page.get_by_text(sha256).first.wait_for()
    page.get_by_text("What the provider sent", exact=True).wait_for()

    page.get_by_role("link", name="Back to Costs").click()
    page.get_by_role("heading", name="Costs", exact=True).wait_for()
    opened.settle()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    lines = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert Decimal(lines[-1]["cost"]) == expected

    opened.open("/budgets")
    page.get_by_role("button", name="Add a budget").first.click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name", exact=True).fill(NAME)
    form.get_by_label("Amount per period").fill("1")
    form.get_by_label("Amount per period").press("Tab")
    form.get_by_role("button", name="Save the budget").click()
    page.get_by_text(NAME).first.wait_for()

    with mail_server() as mail:
        warn_of(marts, mail)
        build(marts, tmp_path)
        tick(marts)
        letters = [text_of(each) for each in mail.mails]
        assert letters and all(NAME in letter for letter in letters)
        tick(marts)
        assert len(mail.mails) == len(letters)
    opened.open("/budgets?tab=Alerts")
    page.get_by_text("finance", exact=True).first.wait_for()
    page.get_by_text("Taken").first.wait_for()


def card(page: Page, label: str) -> str:
    """Return a card's figure."""
    shown = page.get_by_test_id("stMetric").filter(has_text=label)
    return shown.get_by_test_id("stMetricValue").first.inner_text()


def marts_values(database: Database, query: str) -> list[str]:
    with database.connect("admin") as conn:
        return [row[0] for row in conn.execute(query.encode()).fetchall()]


def text_of(letter: Message) -> str:
    """Return the text of a mail."""
    part = letter.get_payload()[0]
    assert isinstance(part, Message)
    raw = part.get_payload(decode=True)
    assert isinstance(raw, bytes)
    return raw.decode()


def warn_of(database: Database, mail: Received) -> None:
    """Mail to finance when the budget is spent."""
    ring = KeyRing.from_settings(Settings.from_env())
    with database.connect("app", autocommit=True) as conn:
        address = parse("email", mail_address(mail.port))
        alert_channels.add(conn, ring, "finance", address, "test")
        [number] = [
            row[0] for row in conn.execute("select id from app.budgets where name = %s", [NAME])
        ]
        new = alert_rules.NewRule(
            name="Budget spent",
            kind="budget",
            budget_id=number,
            channels=("finance",),
            owner="test",
        )
        alert_rules.add_rule(conn, new, "test")


def tick(database: Database) -> None:
    """Do what the sensor `alerts` does."""
    sender = Sender.from_settings(Settings.from_env(), database)
    with database.connect("app", autocommit=True) as conn:
        alerting.look(conn, None, datetime.now(UTC), sender.observe)
    sender.send_all()
