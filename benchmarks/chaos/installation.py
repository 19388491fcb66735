"""The product on this machine, ready to be struck: database, marts, alerts, app, bills."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.alerts.address import parse
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.orchestration import alert_channels, environment
from astraeus_pipeline.orchestration.alert_sending import Sender
from astraeus_pipeline.warehouse import sessions, users
from astraeus_pipeline.warehouse.engine import Database, open_database
from benchmarks.alerts import Bench
from benchmarks.chaos import invariants, payloads, reading, work
from benchmarks.chaos.bills import DAYS, Bills, Slice
from benchmarks.chaos.disk import Disk, disk
from benchmarks.chaos.invariants import Look, Standing
from benchmarks.chaos.pages import Pages
from benchmarks.estates import add_accounts, bill, settings_of
from benchmarks.kill import Killer, State, state
from benchmarks.scratch import Scratch, scratch, serving
from benchmarks.warehouses import ADMIN_TOKEN
from tests.fixtures.receivers import Received, mail_address, mail_server, webhook

_END_SECONDS: Final = 240
_ELSEWHERE: Final = ("ASTRAEUS_DATABASE_URL", "ASTRAEUS_LANDING_URL", "ASTRAEUS_LANDING_OPTIONS")


class Calm:
    """What stands where nothing is struck: by version of the bills."""

    def __init__(self, versions: list[Bills]) -> None:
        self.states: list[State] = []
        self.slices: list[dict[Slice, Standing]] = []
        with scratch() as place:
            add_accounts(place, versions[0].files)
            for version in versions:
                bill(place.database, version.files)
                done = work.start(
                    work.ingest,
                    {"ASTRAEUS_HOME": str(place.home)},
                    version.estate.account_ids(),
                    place.home / "said",
                )
                done.join(_END_SECONDS)
                assert done.exitcode == 0, "the undisturbed installation could not ingest"
                self.states.append(state(place.database))
                self.slices.append(reading.slices(place.database))


class Site:
    """One installation, and what it takes to strike it and to look at it. Made by `site`."""

    def __init__(
        self,
        place: Scratch,
        versions: list[Bills],
        calm: Calm,
        receivers: tuple[Received, Received],
        seed: int,
        disk: Disk | None,
    ) -> None:
        self.place, self.versions, self.calm, self.disk = place, versions, calm, disk
        self.home = place.home
        self.mail, self.hook = receivers
        self.settings = settings_of(place)
        self.draw = random.Random(seed)
        self.version = 0
        self.variables = {"ASTRAEUS_HOME": str(place.home)}
        self.accounts = versions[0].estate.account_ids()
        self.killer = Killer(place.home, versions[0].estate, [v.files for v in versions], seed)
        self._database: Database | None = None
        self.bench: Bench
        self.pages: Pages
        self._copies = 0

    @property
    def database(self) -> Database:
        """The database; started again where it was ended."""
        if self._database is None or not _answers(self._database):
            self._database = open_database(self.settings)
        return self._database

    def furnish(self) -> None:
        """Ingest the first version, build all marts, add channels, sign in."""
        add_accounts(self.place, self.versions[0].files)
        environment.prepare(self.settings, self.place.database)
        self.finish(self.ingest(), "the first ingestion")
        self.finish(work.start(work.seed, self.variables, self.home / "dbt-of-chaos"), "dbt")
        ring = KeyRing.from_settings(self.settings)
        with self.database.connect("app", autocommit=True) as conn:
            for name, address in (
                ("mail", parse("email", mail_address(self.mail.port))),
                ("hook", parse("webhook", f"json://127.0.0.1:{self.hook.port}/alerts")),
            ):
                alert_channels.add(conn, ring, name, address, "chaos")
            who = users.add(conn, "admin@example.org", "admin", "admin", (), actor="chaos")
            sessions.begin(conn, who.id, "password", token=ADMIN_TOKEN)
        sender = Sender.from_settings(self.settings, self.database)
        self.bench = Bench(
            replace(sender, lease=timedelta(0)),
            random.Random(self.draw.random()),
            crossing=DAYS.last,
        )

    # What is done in peace and under fire

    def ingest(self, **variables: str) -> BaseProcess:
        """Start to ingest the bills that stand, through Dagster's assets."""
        told = {**self.variables, **variables}
        self.said.unlink(missing_ok=True)
        return work.start(work.ingest, told, self.accounts, self.said)

    def ingest_impatiently(self) -> BaseProcess:
        """Start to ingest with seconds of patience for a provider, where it would be minutes."""
        return work.start(work.ingest_impatiently, self.variables, self.accounts, self.said)

    def deliver(self) -> BaseProcess:
        """Start to load the bills that stand without Dagster around it."""
        folder = self.versions[self.version].folder
        return work.start(work.deliver, self.variables, folder)

    def build(self, **variables: str) -> BaseProcess:
        """Start to build the marts that rules and tie-out read."""
        target = self.home / "dbt-of-chaos"
        return work.start(work.build, {**self.variables, **variables}, target, *work.MODELS)

    def tick(self, **variables: str) -> BaseProcess:
        """Start one tick of the sensor of alerts."""
        return work.start(work.tick, {**self.variables, **variables})

    @property
    def said(self) -> Path:
        """The file in which an ingestion leaves what went wrong."""
        return self.home / "said"

    def last_words(self, ended: BaseProcess) -> str:
        """Tell in short how an ingestion ended."""
        said = self.said.read_text().splitlines() if self.said.exists() else []
        if ended.exitcode:
            return f"the command ended with {ended.exitcode}"
        return f"{len(said)} runs failed, the first: {said[0][:200]}" if said else work.WELL

    def finish(self, process: BaseProcess, what: str) -> None:
        """Wait for a child that must come to a good end."""
        process.join(_END_SECONDS)
        assert process.exitcode == 0, f"{what} ended with {process.exitcode}"

    def end(self, process: BaseProcess) -> None:
        """Wait for a child that may fail; end it where it hangs."""
        process.join(_END_SECONDS)
        process.kill()
        process.join()

    def change_bills(self) -> None:
        """Let every day of every account be billed otherwise."""
        self.version = 1 - self.version
        bill(self.database, self.versions[self.version].files)

    def rest(self) -> None:
        """Do in peace what schedules and sensors do: ingest, build, send."""
        bill(self.database, self.versions[self.version].files)
        self.finish(self.ingest(), "an ingestion in peace")
        said = self.said.read_text()
        assert not said, said
        self.finish(self.build(), "a build in peace")
        self.bench.rest()

    # What is looked at

    def halves(self) -> list[str]:
        """Look for half days and half payloads; at any moment."""
        days = invariants.halves(reading.slices(self.database), self.calm.slices)
        return days + payloads.broken(self.home / "landing")

    def words(self) -> list[str]:
        """Look for innards of the program in what the last ingestion said of its failures."""
        said = self.said.read_text() if self.said.exists() else ""
        leaked = invariants.innards(said)
        return [f"a failed run says {leaked!r}: {said[:500]}"] if leaked else []

    def charges(self) -> list[str]:
        """Look for charges that were lost or doubled; in peace."""
        return invariants.lost_or_doubled(
            reading.slices(self.database),
            self.versions[self.version].charged,
            state(self.database),
            self.calm.states[self.version],
        )

    def untied(self) -> list[str]:
        """Look for days whose marts are not what was billed; in peace."""
        found = reading.marts(self.database)
        billed = self.versions[self.version].charged
        return invariants.untied(found.billed, billed, found.blocked, found.residuals)

    def misdelivered(self, killed_senders: int) -> list[str]:
        """Look for alerts that were not told once; in peace."""
        copies = reading.copies(self.mail, self.hook)
        new, self._copies = copies - self._copies, copies
        return invariants.misdelivered(
            reading.told(self.mail, self.hook), self._alerts(), new, killed_senders
        )

    def forget_copies(self) -> None:
        """Judge only copies that arrive from now on."""
        self._copies = reading.copies(self.mail, self.hook)

    def _alerts(self) -> list[str]:
        """Return what had to be told, by the files: each rule once per account that crossed it."""
        charged = self.versions[self.version].charged
        crossed = [
            account
            for (account, day), each in charged.items()
            if day >= DAYS.last and each.effective > 50 + self.bench.rules
        ]
        return [
            f"rule {rule} {account}"
            for rule in range(1, self.bench.rules + 1)
            for account in crossed
        ]

    def look(self) -> Look:
        """Look at the app as a person does."""
        return self.pages.look()


@contextmanager
def site(versions: list[Bills], calm: Calm, seed: int) -> Iterator[Site]:
    """Start an installation and furnish it; end all of it on the way out.

    It lies on a disk of its own where one can be mounted.
    """
    for name in _ELSEWHERE:
        os.environ.pop(name, None)
    with ExitStack() as stack:
        own = stack.enter_context(disk())
        place = stack.enter_context(serving(own.folder / "home") if own else scratch())
        receivers = stack.enter_context(mail_server()), stack.enter_context(webhook())
        made = Site(place, versions, calm, receivers, seed, own)
        if own:
            place.admin.execute("alter system set max_wal_size = '256MB'")
            place.admin.execute("select pg_reload_conf()")
        made.furnish()
        made.pages = stack.enter_context(Pages(place))
        yield made


def _answers(database: Database) -> bool:
    try:
        database.connect("operator").close()
    except AstraeusError:
        return False
    return True
