"""What alerts say, where they link to, and what of an address is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from astraeus_pipeline.alerts import email, messages
from astraeus_pipeline.alerts.address import parse
from astraeus_pipeline.contracts.alert_kinds import KINDS
from astraeus_pipeline.contracts.alerting import Alert, Message
from astraeus_pipeline.errors import ConfigError

ALERT = Alert(
    id="0b5e",
    rule_name="dear days",
    kind="cost_amount",
    severity="warning",
    scope={"account": ["acme"], "service": ["Amazon S3", "R&D <1>"]},
    period_start=date(2026, 11, 1),
    period_end=date(2026, 11, 30),
    usage_date=date(2026, 11, 27),
    observed_value=Decimal("12345.675"),
    threshold_value=Decimal(10000),
    expected_value=None,
    unit="currency",
    billing_currency="EUR",
    cost_type="billed",
    data_state="partial",
    evidence={"grain": "month"},
    raised_at=datetime(2026, 11, 28, 6, 5, tzinfo=UTC),
)


def compose(*alerts: Alert) -> Message:
    return messages.compose("key", "alert", alerts or (ALERT,), "https://costs.acme.test/")


def test_a_message_carries_number_scope_basis_and_state() -> None:
    said = compose()
    assert said.subject == (
        "[warning] acme, Amazon S3, R&D <1>: 12,345.68 EUR in 2026-11, above 10,000.00 EUR"
    )
    for part in ("Basis: billed cost in EUR", "Scope: account acme; service", "Data: partial"):
        assert part in said.text


def test_a_scope_that_no_page_knows_is_told_by_its_name() -> None:
    said = compose(replace(ALERT, scope={"budget": ["Web"], "cost_center": ["4711"]}))
    assert "Scope: budget Web; cost center 4711" in said.text


def test_it_says_in_utc_when_it_was_raised_whatever_the_servers_zone() -> None:
    there = ALERT.raised_at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert compose(replace(ALERT, raised_at=there)).text == compose().text
    assert "2026-11-28 06:05 UTC" in compose().text


def test_its_link_shows_the_same_rows() -> None:
    link = next(line for line in compose().text.splitlines() if line.startswith("https"))
    assert urlsplit(link).path == "/costs"
    assert parse_qs(urlsplit(link).query) == {
        "period": ["Custom"],
        "dates": ["2026-11-01", "2026-11-30"],
        "ccy": ["EUR"],
        "basis": ["Billed"],
        "account": ["acme"],
        "service": ["Amazon S3", "R&D <1>"],
    }


def test_html_escapes_what_it_quotes() -> None:
    said = compose()
    assert "<1>" not in said.html
    assert "R&amp;D &lt;1&gt;" in said.html


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("0.005", "0.01 USD"),
        ("0.0004", "0.0004 USD"),
        ("0", "0.00 USD"),
        ("-12.345", "-12.35 USD"),
        ("123456789012345678901234567890.12", "123,456,789,012,345,678,901,234,567,890.12 USD"),
    ],
)
def test_amounts_are_told_to_the_cent(value: str, says: str) -> None:
    assert messages.amount(Decimal(value), "USD") == says


EVIDENCE: dict[str, dict[str, Any]] = {
    "budget": {"basis": "actual", "share": 0.8},
    "stale_feed": {"reason": "late"},
    "residual": {"check_name": "control_total"},
    "anomaly": {"reason": "spike", "drivers": [{"resource_id": "web", "share": 0.9}]},
    "forecast": {"lower_cost": 1, "upper_cost": 2, "booked_cost": 1, "as_of": "2026-11-20"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_words(kind: str) -> None:
    said = compose(replace(ALERT, kind=kind, evidence=EVIDENCE.get(kind, {})))
    assert "None" not in said.subject.replace("None %", "")
    assert said.content["alerts"][0]["observed_value"] == "12345.675"


def test_a_mail_has_the_same_id_at_every_attempt() -> None:
    address = parse("email", "smtp://mx.acme.test/?from=costs@acme.test&to=team@acme.test")
    first, again = (email.compose(address, compose()) for _ in range(2))
    assert first["Message-ID"] == again["Message-ID"] == "<key@acme.test>"


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("email", "smtp://mx.acme.test/?from=a@b.test"),
        ("email", "smtp://mx.acme.test/?from=a@b.test&to=c@d.test,e@f.test"),
        ("email", "http://mx.acme.test/?from=a@b.test&to=c@d.test"),
        ("slack", "discord://a/b"),
        ("chat", "syslog://x"),
        ("pigeon", "coo://x"),
        ("webhook", "json://host:port/"),
    ],
)
def test_an_address_of_another_kind_is_refused_and_not_repeated(kind: str, url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(kind, url)
    assert url not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "url", "secrets"),
    [
        (
            "slack",
            "slack://TAAAAAAAA/BBBBBBBBB/cccccccccccccccccccc/#costs",
            ["TAAAAAAAA", "cccccccccccccccccccc"],
        ),
        (
            "chat",
            "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
            ["4174216298", "JHMHI8qBe7bk2ZwO5U711o3dV_js"],
        ),
        (
            "webhook",
            "jsons://u:p%40ssword@acme.test/hook/s3cret",
            ["p@ssword", "p%40ssword", "s3cret"],
        ),
        (
            "email",
            "smtp://u:p%40ssword@mx.test/?from=a@b.test&to=c@d.test",
            ["p@ssword", "p%40ssword"],
        ),
    ],
)
def test_nothing_secret_is_shown_or_left_in_an_error(
    kind: str, url: str, secrets: list[str]
) -> None:
    address = parse(kind, url)
    seen = f"{address!r} {address} {address.shown_as} {address.scrub(f'refused: {url} {secrets}')}"
    assert not [secret for secret in secrets if secret.lower() in seen.lower()]
