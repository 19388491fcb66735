"""From a breach to a message, with real receivers: once, whatever fails or is killed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import dagster as dg
import psycopg
import pytest
from pydantic import SecretStr

from astraeus_pipeline.accounts.sealing import KeyRing, new_key
from astraeus_pipeline.alerts.address import Address, parse
from astraeus_pipeline.alerts.journal import Journal
from astraeus_pipeline.contracts.alerting import Timing
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.orchestration import alert_channels, alerting
from astraeus_pipeline.orchestration.alert_sending import Sender
from astraeus_pipeline.warehouse import alert_channels as channel_rows
from astraeus_pipeline.warehouse import alert_outbox, alert_rules
from astraeus_pipeline.warehouse.alert_rules import NewRule
from astraeus_pipeline.warehouse.engine import Database
from tests.fixtures.alerting_child import tick_until
from tests.fixtures.forked import Start, forking
from tests.fixtures.receivers import Received, mail_address, mail_server, webhook

pytestmark = pytest.mark.integration

PASSWORD: Final = "correct-horse-battery"
NOW: Final = datetime.now(UTC)


def breaches(database: Database, *rows: tuple[str, str, str]) -> None:
    """Let the mart hold these breaches: (rule id, scope, severity), of today."""
    with database.connect("admin", autocommit=True) as conn:
        conn.execute("create schema if not exists marts")
        conn.execute("drop table if exists marts.fct_threshold_breaches, marts.data_version")
        conn.execute(
            "create table marts.fct_threshold_breaches (breach_id text, rule_id uuid, rule_name"
            " text, kind text, severity text, scope_key text, scope jsonb, period_key text,"
            " period_start date, period_end date, usage_date date, observed_value numeric,"
            " threshold_value numeric, expected_value numeric, unit text, billing_currency text,"
            " cost_type text, data_state text, evidence jsonb)"
        )
        conn.execute("create table marts.data_version as select now()::text as invocation_id")
        conn.cursor().executemany(
            "insert into marts.fct_threshold_breaches select md5(%(rule)s || %(scope)s),"
            " %(rule)s::uuid,"
            " 'dear days', 'cost_amount', %(severity)s, 'account=' || %(scope)s,"
            " jsonb_build_object('account', jsonb_build_array(%(scope)s::text)), 'day ' || day,"
            " day, day, day, 1234.565, 1000, null, 'currency', 'USD', 'effective', 'estimated',"
            " '{\"grain\": \"day\"}' from (select (now() at time zone 'utc')::date as day) as d",
            [{"rule": rule, "scope": scope, "severity": level} for rule, scope, level in rows],
        )
        conn.execute("grant select on all tables in schema marts to astraeus_app")


@pytest.fixture
def mail() -> Iterator[Received]:
    with mail_server() as received:
        yield received


@pytest.fixture
def hook() -> Iterator[Received]:
    with webhook() as received:
        yield received


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing.parse(new_key())


@pytest.fixture
def sender(database: Database, ring: KeyRing, tmp_path: Path) -> Sender:
    return Sender(
        database,
        ring,
        Journal(tmp_path / "accepted"),
        "https://costs.acme.test",
        lease=timedelta(0),
    )


def add(
    database: Database,
    ring: KeyRing,
    channels: dict[str, Address],
    timing: Timing | None = None,
) -> str:
    """Add channels and a rule on all of them; return its id."""
    with database.connect("app", autocommit=True) as conn:
        for name, address in channels.items():
            alert_channels.add(conn, ring, name, address, "ann")
        new = NewRule(
            name="dear days",
            kind="cost_amount",
            amount=Decimal(1000),
            billing_currency="USD",
            split_by="account",
            channels=list(channels),
            timing=timing or Timing(),
            owner="ann",
        )
        return alert_rules.add_rule(conn, new, "ann")


def both(mail: Received, hook: Received) -> dict[str, Address]:
    return {
        "mail": parse("email", mail_address(mail.port)),
        "hook": parse("webhook", f"json://127.0.0.1:{hook.port}/alerts"),
    }


def tick(sender: Sender, now: datetime | None = None) -> str:
    with sender.database.connect("app", autocommit=True) as conn:
        raised, _ = alerting.look(conn, None, now or datetime.now(UTC), sender.observe)
    return alerting.says(raised, sender.send_all())


def outbox(database: Database) -> list[tuple[Any, ...]]:
    with database.connect("app", autocommit=True) as conn:
        return conn.execute(
            "select c.name, d.state, d.attempts, d.last_error from app.alert_deliveries d"
            " join app.alert_channels c on c.id = d.channel_id order by 1, d.created_at, d.id"
        ).fetchall()


def hurry(database: Database) -> None:
    """Let what waits for another attempt be due."""
    with database.connect("app", autocommit=True) as conn:
        conn.execute(
            "update app.alert_deliveries set next_attempt_at = clock_timestamp()"
            " where state = 'failed'"
        )


def test_a_breach_becomes_one_mail_and_one_post(
    database: Database, ring: KeyRing, sender: Sender, mail: Received, hook: Received
) -> None:
    rule = add(database, ring, both(mail, hook))
    breaches(database, (rule, "acme", "warning"))
    assert tick(sender).startswith("1 alerts raised; messages: 2 sent")
    assert tick(sender).startswith("0 alerts raised; messages: 0 sent")
    (letter,) = mail.mails
    today = NOW.date()
    assert letter["Subject"] == f"[warning] acme: 1,234.57 USD in {today}, above 1,000.00 USD"
    body = letter.get_payload()[0].get_payload(decode=True).decode()  # type: ignore[union-attr,index]
    assert "Basis: effective cost in USD" in body
    assert "estimated: settled, but the bill is still open" in body
    assert (
        f"https://costs.acme.test/costs?period=Custom&dates={today}&ccy=USD&basis=Effective"
        "&account=acme" in body
    )
    (post,) = hook.posts
    (alert,) = post["alerts"]
    assert (alert["observed_value"], alert["threshold_value"]) == ("1234.565", "1000")
    assert post["key"] == hook.ids[0]


def test_the_sensor_raises_and_sends_and_says_so(
    database: Database,
    sender: Sender,
    mail: Received,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = database.admin_url.render_as_string(hide_password=False)
    key = new_key()
    for name, value in {"DATABASE_URL": url, "HOME": str(tmp_path), "MASTER_KEYS": key}.items():
        monkeypatch.setenv(f"ASTRAEUS_{name}", value)
    context = dg.build_sensor_context()
    sensor = alerting.alerts_sensor()
    assert "0 alerts raised" in sensor(context).skip_message  # the marts are not there yet
    channels = {"mail": parse("email", mail_address(mail.port))}
    breaches(database, (add(database, KeyRing.parse(key), channels), "acme", "warning"))
    assert "1 alerts raised; messages: 1 sent" in sensor(context).skip_message
    assert "0 alerts raised; messages: 0 sent" in sensor(context).skip_message


def test_only_periods_since_the_rule_was_made_are_told(
    database: Database, ring: KeyRing, sender: Sender, mail: Received
) -> None:
    rule = add(database, ring, {"mail": parse("email", mail_address(mail.port))})
    breaches(database, (rule, "acme", "warning"))
    with database.connect("admin", autocommit=True) as conn:
        conn.execute("update marts.fct_threshold_breaches set period_end = period_end - 1")
    assert tick(sender).startswith("0 alerts raised")


def test_sensors_at_the_same_time_tell_each_alert_once(
    database: Database, ring: KeyRing, sender: Sender, mail: Received, hook: Received
) -> None:
    rule = add(database, ring, both(mail, hook))
    breaches(database, *((rule, f"a{number}", "warning") for number in range(5)))
    threads = [threading.Thread(target=tick, args=[sender]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tick(sender)
    for received in (mail, hook):
        assert sorted(received.copies().values()) == [1] * 5
    assert {row[1] for row in outbox(database)} == {"sent"}


def test_a_mail_server_that_refuses_twice_gets_it_at_the_third_attempt(
    database: Database, ring: KeyRing, sender: Sender, mail: Received, hook: Received
) -> None:
    mail.refusals = ["451 try again later", "421 closing"]
    rule = add(database, ring, both(mail, hook))
    breaches(database, (rule, "acme", "warning"))
    assert "1 sent, 1 failed" in tick(sender)  # the webhook does not wait for the mail
    assert outbox(database)[1][:3] == ("mail", "failed", 1)
    assert "451: try again later" in outbox(database)[1][3]
    assert "0 sent, 0 failed" in tick(sender)  # not before its time
    for _ in range(2):
        hurry(database)
        tick(sender)
    assert outbox(database)[1][:3] == ("mail", "sent", 3)
    assert (mail.refused, list(mail.copies().values())) == (2, [1])


def test_a_refusal_for_good_is_seen_and_can_be_tried_again(
    database: Database, ring: KeyRing, sender: Sender, mail: Received, hook: Received
) -> None:
    mail.refusals, hook.refusals = ["550 no such mailbox"], ["404"]
    rule = add(database, ring, both(mail, hook))
    breaches(database, (rule, "acme", "warning"))
    assert "2 dead" in tick(sender)
    with database.connect("app", autocommit=True) as conn:
        result = alerting.evaluate(conn)
        assert not result.passed
        assert "550: no such mailbox" in str(result.metadata["channels"])
        assert alert_outbox.retry_dead(conn, "mail", "ann") == 1
    tick(sender)
    assert [row[:2] for row in outbox(database)] == [("hook", "dead"), ("mail", "sent")]
    assert len(mail.ids) == 1


def test_many_alerts_at_once_are_one_message(
    database: Database, ring: KeyRing, sender: Sender, mail: Received
) -> None:
    rule = add(database, ring, {"mail": parse("email", mail_address(mail.port))})
    breaches(database, *((rule, f"a{number}", "warning") for number in range(20)))
    assert "20 alerts raised; messages: 1 sent" in tick(sender)
    assert mail.mails[0]["Subject"] == "[warning] Alerts of dear days: 20 alerts"


def test_a_digest_collects_and_a_critical_alert_does_not_wait(
    database: Database, ring: KeyRing, sender: Sender, mail: Received
) -> None:
    timing = Timing(digest="daily")
    rule = add(database, ring, {"mail": parse("email", mail_address(mail.port))}, timing)
    breaches(database, (rule, "acme", "warning"), (rule, "beta", "critical"))
    assert "2 alerts raised; messages: 1 sent" in tick(sender)
    assert mail.mails[0]["Subject"].startswith("[critical] beta")
    breaches(database, (rule, "gamma", "warning"))
    tick(sender)
    assert [row[1] for row in outbox(database)].count("pending") == 1
    with database.connect("app", autocommit=True) as conn:
        conn.execute(
            "update app.alert_deliveries set next_attempt_at = now() where state = 'pending'"
        )
    tick(sender)
    assert mail.mails[1]["Subject"] == "[warning] Digest of dear days: 2 alerts"


def test_quiet_hours_delay_and_drop_nothing(
    database: Database, ring: KeyRing, sender: Sender, mail: Received
) -> None:
    start = (NOW - timedelta(hours=1)).time().replace(microsecond=0)
    end = (NOW + timedelta(hours=2)).time().replace(microsecond=0)
    timing = Timing(quiet_from=start, quiet_until=end, critical_passes=False)
    rule = add(database, ring, {"mail": parse("email", mail_address(mail.port))}, timing)
    breaches(database, (rule, "acme", "critical"))
    assert "1 alerts raised; messages: 0 sent" in tick(sender)
    with database.connect("app", autocommit=True) as conn:
        due = conn.execute("select next_attempt_at from app.alert_deliveries").fetchone()
    assert due is not None
    assert due[0].time() == end
    assert mail.ids == []


def test_what_the_database_did_not_learn_the_journal_knows(
    database: Database, ring: KeyRing, sender: Sender, mail: Received
) -> None:
    """The connection is lost between the server's answer and the mark."""

    def cut(point: str) -> None:
        if point == "noted":
            raise psycopg.OperationalError("the connection was lost")

    rule = add(database, ring, {"mail": parse("email", mail_address(mail.port))})
    breaches(database, (rule, "acme", "warning"))
    with pytest.raises(psycopg.OperationalError):
        tick(replace(sender, observe=cut))
    assert outbox(database)[0][:2] == ("mail", "sending")
    assert "1 of a sender that was gone" in tick(sender)
    assert (outbox(database)[0][:2], len(mail.ids)) == (("mail", "sent"), 1)
    assert sender.journal.keys() == []


def test_a_sender_that_still_lives_is_left_alone(
    database: Database, ring: KeyRing, sender: Sender, mail: Received
) -> None:
    rule = add(database, ring, {"mail": parse("email", mail_address(mail.port))})
    breaches(database, (rule, "acme", "warning"))
    seen: list[str] = []

    def meanwhile(point: str) -> None:
        if point == "claimed":
            seen.append(tick(replace(sender)))

    tick(replace(sender, observe=meanwhile))
    assert seen == [
        "0 alerts raised; messages: 0 sent, 0 failed, 0 dead, 0 of a sender that was gone"
    ]
    assert len(mail.ids) == 1


def test_an_address_shows_none_of_its_secrets(
    database: Database, ring: KeyRing, sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    token = "T0KEN-very-secret"
    addresses = {
        "mail": parse("email", mail_address(1, PASSWORD)),
        "hook": parse("webhook", f"json://user:{PASSWORD}@127.0.0.1:1/{token}?x={token}"),
    }
    caplog.set_level("DEBUG")
    rule = add(database, ring, addresses)
    breaches(database, (rule, "acme", "warning"))
    tick(sender)
    with database.connect("app", autocommit=True) as conn:
        shown = conn.execute(
            "select array_agg(d::text), (select array_agg(l::text) from app.audit_log l),"
            " (select array_agg(c.shown_as) from app.alert_channels c),"
            " (select string_agg(encode(c.sealed_address, 'escape'), ' ')"
            "  from app.alert_channels c)"
            " from app.alert_deliveries d"
        ).fetchone()
        channels = channel_rows.list_channels(conn)
    told = " ".join(map(str, (shown, channels, addresses, outbox(database), caplog.text)))
    assert PASSWORD not in told
    assert token not in told


def test_a_sealed_address_opens_for_its_own_channel_alone(
    database: Database, ring: KeyRing, mail: Received, hook: Received
) -> None:
    add(database, ring, both(mail, hook))
    with database.connect("app", autocommit=True) as conn:
        one, other = channel_rows.list_channels(conn)
        with pytest.raises(ConfigError, match="does not open"):
            alert_channels.open_address(ring, replace(one, sealed_address=other.sealed_address))
        newer = KeyRing((os.urandom(32), *ring.keys))
        assert alert_channels.rewrap_all(conn, newer) == 2
        (fresh, _) = channel_rows.list_channels(conn)
    opened = alert_channels.open_address(KeyRing(newer.keys[:1]), fresh)
    assert isinstance(opened.url, SecretStr)
    assert opened.url.get_secret_value().startswith("json://")


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    with forking() as made:
        yield made


POINTS: Final = ("found", "raised", "claimed", "noted", "marked")


@pytest.mark.parametrize("point", POINTS)
def test_a_sender_killed_at_a_named_point_leaves_every_alert_to_arrive_once(
    database: Database,
    ring: KeyRing,
    sender: Sender,
    start: Start,
    mail: Received,
    hook: Received,
    point: str,
) -> None:
    rule = add(database, ring, both(mail, hook))
    breaches(database, (rule, "acme", "warning"), (rule, "beta", "warning"))
    assert _killed_at(start, sender, point) == -9
    hurry(database)
    tick(sender)
    for received in (mail, hook):
        assert sorted(received.copies().values()) == [1, 1]
    assert {row[1] for row in outbox(database)} == {"sent"}
    assert sender.journal.keys() == []


def test_killed_before_the_answer_was_noted_the_copy_has_the_same_id(
    database: Database, ring: KeyRing, sender: Sender, start: Start, mail: Received
) -> None:
    """Nobody can know then: it comes again, and the mailbox can tell by its Message-ID."""
    rule = add(database, ring, {"mail": parse("email", mail_address(mail.port))})
    breaches(database, (rule, "acme", "warning"))
    assert _killed_at(start, sender, "accepted") == -9
    hurry(database)
    tick(sender)
    assert list(mail.copies().values()) == [2]
    assert [letter["X-Astraeus-Repeat"] for letter in mail.mails] == [None, "possible"]


def _killed_at(start: Start, sender: Sender, point: str) -> int | None:
    """Return how a process ended that ticks until the point: the signal, below zero."""
    process = start(tick_until, point, sender.database, sender.ring, sender.journal.folder)
    process.join(60)
    return process.exitcode
