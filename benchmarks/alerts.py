"""Claim: 20 kills -9 between breach and delivery, two refusals of the mail server: each alert once.

Five accounts cost a hundred times as much on a day. In each round a new rule finds that in the real
marts, and a child process that ticks like the sensor is killed without warning: at each named point
in turn (breaches found, alerts raised, a message claimed, its acceptance noted, marked as sent), or
after a random time. The next round finds what is left. At the end ticks run in peace. A mail server
(SMTP) and a webhook (HTTP) on the loopback count what they take by Message-ID and Idempotency-Key;
the mail server refuses twice on the way.

Beyond these, `--ambiguous` kills at the one point where nobody can know: the server has taken the
message, its answer is not noted. Nothing may be lost there, and each copy must bear the same id.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, Final

from astraeus_pipeline.accounts.sealing import KeyRing, new_key
from astraeus_pipeline.alerts.address import parse
from astraeus_pipeline.alerts.journal import Journal
from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration import alert_channels, alerting
from astraeus_pipeline.orchestration.alert_sending import Sender
from astraeus_pipeline.warehouse import alert_rules
from astraeus_pipeline.warehouse.alert_rules import NewRule
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from benchmarks.measure import machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import scratch
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import warehouse
from tests.fixtures.receivers import Received, mail_address, mail_server, webhook

POINTS: Final = ("found", "raised", "claimed", "noted", "marked", "random")
ACCOUNTS: Final = tuple(f"acme-{number}" for number in range(5))
TODAY: Final = date(2026, 11, 20)
DAYS: Final = DayRange(TODAY - timedelta(days=30), TODAY - timedelta(days=1))
CROSSING: Final = TODAY - timedelta(days=5)


@dataclass
class Bench:
    """What is struck, what it is to bring about, and how often it was struck where."""

    sender: Sender
    draw: random.Random
    struck: Counter[str] = field(default_factory=Counter)
    rules: int = 0
    crossing: date = CROSSING

    def cross(self) -> None:
        """Let a new rule find that the accounts crossed its threshold on one day."""
        self.rules += 1
        new = NewRule(
            name=f"rule {self.rules}",
            kind="cost_amount",
            amount=Decimal(50 + self.rules),
            billing_currency="USD",
            split_by="account",
            channels=("mail", "hook"),
            starts_on=self.crossing,
            owner="bench",
        )
        with self.sender.database.connect("app", autocommit=True) as conn:
            alert_rules.add_rule(conn, new, "bench")

    def strike(self, point: str) -> bool:
        """Tick in a child that dies at a point, or is killed after a random time; say if it was."""
        context = multiprocessing.get_context("forkserver")
        begun = context.Event()
        process = context.Process(target=child, args=(self.sender, point, begun))
        process.start()
        if point == "random":
            begun.wait(60)
            time.sleep(self.draw.uniform(0.0, 0.4))
            process.kill()
        process.join(60)
        is_killed = process.exitcode == -signal.SIGKILL
        self.struck[point if is_killed else f"{point}, but it had ended"] += 1
        return is_killed

    def rest(self) -> None:
        """Tick in peace, each pause between attempts cut short, until nothing is left to do."""
        for _ in range(5):
            with self.sender.database.connect("app", autocommit=True) as conn:
                conn.execute(
                    "update app.alert_deliveries set next_attempt_at = clock_timestamp()"
                    " where state = 'failed'"
                )
            tick(self.sender)

    def ask(self, query: str) -> int:
        """Return one number."""
        with self.sender.database.connect("app", autocommit=True) as conn:
            row = conn.execute(query.encode()).fetchone()
        return int(row[0]) if row else 0


def tick(sender: Sender) -> None:
    """Do what the sensor does."""
    with sender.database.connect("app", autocommit=True) as conn:
        alerting.look(conn, None, datetime.now(UTC), sender.observe)
    sender.send_all()


def child(sender: Sender, point: str, begun: Event) -> None:
    """Tick, and die at the point."""

    def die(reached: str) -> None:
        if reached == point:
            os.kill(os.getpid(), signal.SIGKILL)

    begun.set()
    tick(replace(sender, observe=die))


def deliver(database: Database) -> None:
    """Bring thirty days of five accounts, one of them a hundred times as dear."""
    options = LoadOptions(today=TODAY, settle_days=3)
    with database.connect("loader", autocommit=True) as conn:
        for account in ACCOUNTS:
            rows = [charge(day, "1000" if day == CROSSING else "10") for day in DAYS]
            made = batch(rows)
            load(conn, FOCUS_COSTS, fetched(DAYS, account), payload(account), _only(made), options)


def _only(made: Any) -> Any:
    return lambda: [made]


def told(mail: Received, hook: Received) -> tuple[Counter[str], Counter[str]]:
    """Return how often each alert was told by each channel, copies of one id counted once."""
    letters = {str(letter["Message-ID"]): str(letter["Subject"]) for letter in mail.mails}
    texts = {
        str(letter["Message-ID"]): text_of(letter).split("Rule: ")[1].split(" (")[0]
        for letter in mail.mails
    }
    by_mail = Counter(f"{texts[key]} {subject}" for key, subject in letters.items())
    posts = {post["key"]: post for post in hook.posts}
    by_hook = Counter(alert["id"] for post in posts.values() for alert in post["alerts"])
    return by_mail, by_hook


def text_of(letter: Any) -> str:
    """Return the plain part of a mail."""
    return letter.get_payload()[0].get_payload(decode=True).decode()


def main() -> None:
    """Strike, rest, count, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--ambiguous", type=int, default=3)
    parser.add_argument("--seed", type=int, default=4)
    chosen = parser.parse_args()
    multiprocessing.set_forkserver_preload(["benchmarks.alerts"])
    with ExitStack() as stack:
        home = stack.enter_context(scratch())
        target = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        marts = stack.enter_context(warehouse(home.database, target))
        mail, hook = stack.enter_context(mail_server()), stack.enter_context(webhook())
        on = machine(home.admin)
        deliver(home.database)
        marts.dbt("seed")
        marts.build("--select", "+fct_threshold_breaches", "data_version")
        ring = KeyRing.parse(new_key())
        with home.database.connect("app", autocommit=True) as conn:
            for name, address in (
                ("mail", parse("email", mail_address(mail.port))),
                ("hook", parse("webhook", f"json://127.0.0.1:{hook.port}/alerts")),
            ):
                alert_channels.add(conn, ring, name, address, "bench")
        journal = Journal(home.home / "accepted")
        sender = Sender(home.database, ring, journal, lease=timedelta(0))
        bench = Bench(sender, random.Random(chosen.seed))
        mail.refusals = ["451 greylisted", "421 closing"]
        started = time.perf_counter()
        for number in range(chosen.kills):
            bench.cross()
            bench.strike(POINTS[number % len(POINTS)])
        bench.rest()
        seconds = time.perf_counter() - started
        copies = sum(count - 1 for each in (mail, hook) for count in each.copies().values())
        for _ in range(chosen.ambiguous):
            bench.cross()
            bench.strike("accepted")
        bench.rest()
        repeats = sum(count - 1 for each in (mail, hook) for count in each.copies().values())
        expected = bench.rules * len(ACCOUNTS)
        by_mail, by_hook = told(mail, hook)
        raised = bench.ask("select count(*) from app.alerts")
        left = bench.ask("select count(*) from app.alert_deliveries where state <> 'sent'")
        noted = len(journal.keys())
    report = Report(
        name="alerts",
        title=f"{chosen.kills} kills between breach and delivery, {bench.rules} rules x"
        f" {len(ACCOUNTS)} accounts x 2 channels, {seconds:.0f} s",
        machine=on,
        options=vars(chosen),
        header=("killed at", "times"),
        rows=[(point, str(times)) for point, times in sorted(bench.struck.items())],
        goals=[
            Goal("alerts missing or too many", abs(raised - expected), 0),
            Goal("alerts not told by mail, or by two ids", off(by_mail, expected), 0),
            Goal("alerts not told by webhook, or by two ids", off(by_hook, expected), 0),
            Goal("messages that arrived twice", copies, 0),
            Goal("refusals of the mail server", mail.refused, 2, at_least=True),
            Goal("messages left behind", left, 0),
            Goal("notes left behind", noted, 0),
            Goal(
                "copies after kills at the ambiguous point", repeats - copies, 2 * chosen.ambiguous
            ),
        ],
        notes=(
            "A copy after a kill at the ambiguous point bears the id of the first message.",
            "`claimed` and later points are reached in the first of two channels that get there.",
        ),
    )
    raise SystemExit(0 if report.publish() else 1)


def off(counted: Counter[str], expected: int) -> int:
    """Return how many alerts were not told, or by more than one id."""
    return abs(len(counted) - expected) + sum(times != 1 for times in counted.values())


if __name__ == "__main__":
    main()
