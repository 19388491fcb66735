"""Claim: Dagster's daemon is killed 20 times between breach and delivery; each alert arrives once.

The daemon runs as `astraeus up` runs it, with the whole code location; its sensor `alerts` finds a
new rule's breaches in the real marts. Daemon and code server are killed with -9 as soon as alerts
stand in the database and not all of their messages have left, a random moment later; the next
daemon finds what is left. The mail server refuses twice on the way. `benchmarks.alerts` kills at
every named point in between, without the daemon.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import psutil

from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.alerts.address import parse
from astraeus_pipeline.orchestration import alert_channels, environment
from astraeus_pipeline.orchestration.alert_sending import Sender
from astraeus_pipeline.settings import PROJECT_ROOT
from benchmarks.alerts import ACCOUNTS, Bench, deliver, off, told
from benchmarks.estates import settings_of
from benchmarks.measure import machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import Scratch, scratch
from tests.fixtures.dbt import warehouse
from tests.fixtures.receivers import mail_address, mail_server, webhook

_PATIENCE: Final = 300.0  # seconds for a daemon to start and its sensor to tick
_WINDOW: Final = 0.5  # seconds in which the messages of a round leave


class Daemon:
    """Dagster's daemon with its code server, as a tree of processes that can be killed at once."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it begins to tick by itself."""
        workspace = PROJECT_ROOT / "workspace.yaml"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dagster._daemon", "run", "-w", str(workspace)],
                cwd=PROJECT_ROOT,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """Kill all of it without warning, the code server first: it is what sends."""
        assert self.process is not None
        root = psutil.Process(self.process.pid)
        tree = [*root.children(recursive=True), root]
        for each in tree:
            each.kill()
        psutil.wait_procs(tree, timeout=30)
        self.process.wait(30)


def strike(bench: Bench, daemon: Daemon) -> str:
    """Let a rule find breaches, kill the daemon on the way; return where that was."""
    bench.cross()
    rule = f"rule {bench.rules}"
    daemon.start()
    until = time.monotonic() + _PATIENCE
    raised = f"select count(*) from app.alerts where rule_name = '{rule}'"
    with bench.sender.database.connect("app", autocommit=True) as conn:
        while True:
            row = conn.execute(raised.encode()).fetchone()
            if row and row[0]:
                break
            if time.monotonic() > until:
                daemon.kill()
                raise SystemExit(f"No alert in {_PATIENCE:.0f} s; see {daemon.log}")
            time.sleep(0.002)
    time.sleep(bench.draw.uniform(0, _WINDOW))
    daemon.kill()
    left = bench.ask("select count(*) from app.alert_deliveries where state <> 'sent'")
    whole = bench.ask("select count(*) from app.alert_deliveries")
    done = 2 * len(ACCOUNTS) - min(left, 2 * len(ACCOUNTS))
    if not left:
        return "after the last message"
    return "before the first message" if not done and whole else "between messages"


def rest(bench: Bench, daemon: Daemon) -> float:
    """Run the daemon in peace until nothing is left to send; return the seconds that took."""
    daemon.start()
    started = time.monotonic()
    while time.monotonic() - started < 2 * _PATIENCE:
        if not bench.ask("select count(*) from app.alert_deliveries where state <> 'sent'"):
            break
        time.sleep(1)
    daemon.kill()
    return time.monotonic() - started


def main() -> None:
    """Strike, rest, count, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=4)
    chosen = parser.parse_args()
    with ExitStack() as stack:
        home = stack.enter_context(scratch())
        target = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        marts = stack.enter_context(warehouse(home.database, target))
        mail, hook = stack.enter_context(mail_server()), stack.enter_context(webhook())
        on = machine(home.admin)
        deliver(home.database)
        marts.dbt("seed")
        marts.build("--select", "+fct_threshold_breaches", "data_version")
        bench = _bench(home, chosen.seed, mail.port, hook.port)
        daemon = Daemon(home.home / "daemon.log")
        mail.refusals = ["451 greylisted", "421 closing"]
        started = time.perf_counter()
        struck: Counter[str] = Counter()
        # A kill after the last message proves nothing: it does not count, and another one is due.
        while sum(struck.values()) - struck["after the last message"] < chosen.kills:
            struck[strike(bench, daemon)] += 1
        rested = rest(bench, daemon)
        seconds = time.perf_counter() - started
        expected = bench.rules * len(ACCOUNTS)
        by_mail, by_hook = told(mail, hook)
        copies = sum(count - 1 for each in (mail, hook) for count in each.copies().values())
        raised = bench.ask("select count(*) from app.alerts")
        left = bench.ask("select count(*) from app.alert_deliveries where state <> 'sent'")
    report = Report(
        name="alerts_daemon",
        title=f"Dagster's daemon killed {sum(struck.values())} times, {bench.rules} rules x"
        f" {len(ACCOUNTS)} accounts x 2 channels, {seconds:.0f} s",
        machine=on,
        options=vars(chosen),
        header=("killed", "times"),
        rows=[(where, str(times)) for where, times in sorted(struck.items())],
        goals=[
            Goal("alerts missing or too many", abs(raised - expected), 0),
            Goal("alerts not told by mail, or by two ids", off(by_mail, expected), 0),
            Goal("alerts not told by webhook, or by two ids", off(by_hook, expected), 0),
            Goal("messages that arrived twice", copies, 0),
            Goal("refusals of the mail server", mail.refused, 2, at_least=True),
            Goal("messages left behind", left, 0),
        ],
        notes=(
            f"The last daemon, left in peace, had sent what was left after {rested:.0f} s.",
            "A kill in the instant between a server's acceptance and our note of it would bring a"
            " copy under the same id; `benchmarks.alerts --ambiguous` aims there.",
        ),
    )
    raise SystemExit(0 if report.publish() else 1)


def _bench(home: Scratch, seed: int, mail_port: int, hook_port: int) -> Bench:
    """Set up the installation as `astraeus up` does, with two channels."""
    settings = settings_of(home)
    environment.prepare(settings, home.database)
    sender = Sender.from_settings(settings, home.database)
    ring = KeyRing.from_settings(settings)
    with home.database.connect("app", autocommit=True) as conn:
        for name, address in (
            ("mail", parse("email", mail_address(mail_port))),
            ("hook", parse("webhook", f"json://127.0.0.1:{hook_port}/alerts")),
        ):
            alert_channels.add(conn, ring, name, address, "bench")
    return Bench(sender, random.Random(seed))


if __name__ == "__main__":
    main()
