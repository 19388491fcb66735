"""Summaries that are due, sent: each once per period and channel. Plain Python, no Dagster.

A message is claimed (committed), sent, noted in the journal, marked as sent, as alerts are: see
`alert_sending`. One that is refused waits for the next pass; what fails holds back no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import psycopg

from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.alerts import channels
from astraeus_pipeline.alerts.journal import Journal
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import AstraeusError, DeliveryError
from astraeus_pipeline.orchestration.alert_channels import open_address
from astraeus_pipeline.orchestration.alert_sending import Observer, ignore
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.summaries import message, periods, wording
from astraeus_pipeline.summaries.figures import Figures
from astraeus_pipeline.warehouse import (
    alert_channels,
    cost_summaries,
    summary_figures,
    summary_outbox,
)
from astraeus_pipeline.warehouse.alert_channels import Channel
from astraeus_pipeline.warehouse.build_lock import no_build
from astraeus_pipeline.warehouse.cost_summaries import Summary
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.summary_outbox import Claim


@dataclass
class Sent:
    """What one pass came to; `waiting`: by summary, what its period waits for.

    `is_busy`: another pass was under way, and this one did nothing.
    """

    sent: int = 0
    failed: int = 0
    dead: int = 0
    recovered: int = 0
    waiting: dict[str, str] = field(default_factory=dict)
    is_busy: bool = False


@dataclass(frozen=True)
class Sender:
    """What sending needs; `lease` as in `warehouse.summary_outbox`."""

    database: Database
    ring: KeyRing
    journal: Journal
    app_url: str | None = None
    observe: Observer = ignore
    lease: timedelta = summary_outbox.LEASE

    @classmethod
    def from_settings(cls, settings: Settings, database: Database) -> Sender:
        """Open what the settings name; the journal lies in the home, on a disk of this machine."""
        ring = KeyRing.from_settings(settings)
        journal = Journal(settings.home / "summaries" / "accepted")
        return cls(database, ring, journal, settings.app_url)

    def send_due(self, now: datetime, at_once: str | None = None) -> Sent:
        """Send what is due at `now`; the summary `at_once` even if its bills have not all come.

        Raises: ConfigError if there is no summary `at_once`; ExceptionGroup at the end, of what
        kept summaries from being composed.
        """
        done = Sent()
        errors: list[Exception] = []
        with (
            self.database.connect("app", autocommit=True) as conn,
            summary_outbox.pass_lock(conn) as is_mine,
        ):
            if not is_mine:
                return Sent(is_busy=True)
            if at_once is not None:
                cost_summaries.get_summary(conn, at_once)
            self._recover(conn, done)
            if not summary_figures.is_built(conn):
                return done
            standing = {each.id: each for each in alert_channels.list_channels(conn)}
            for summary, days, is_forced in _work(conn, now.date(), at_once):
                try:
                    self._tell(conn, summary, days, standing, done, now, is_forced=is_forced)
                except Exception as error:  # noqa: BLE001 - raised below; others are not held back
                    errors.append(error)
        if errors:
            raise ExceptionGroup("Summaries that could not be told", errors)
        return done

    def _recover(self, conn: psycopg.Connection, done: Sent) -> None:
        for key in summary_outbox.are_sent(conn, self.journal.keys()):
            self.journal.forget(key)  # killed between the mark and its own forgetting
        recovered = summary_outbox.recover(
            conn, self.journal.has, now=datetime.now(UTC), lease=self.lease
        )
        for key in recovered:
            self.journal.forget(key)
        done.recovered = len(recovered)

    def _tell(
        self,
        conn: psycopg.Connection,
        summary: Summary,
        days: DayRange,
        standing: dict[str, Channel],
        done: Sent,
        now: datetime,
        *,
        is_forced: bool,
    ) -> None:
        """Send a summary's period to the channels that have not got it, if it is due."""
        wanted = summary_outbox.wanted(conn, summary.id, days.first, list(summary.channel_ids))
        if not wanted:
            return
        with no_build(conn):
            late = summary_figures.late(conn, summary.scope, days)
            due = periods.is_due(summary.period, days, now.date(), is_complete=not late)
            if not (due or is_forced):
                said = "; ".join(wording.late_days(each) for each in late)
                until = periods.latest(summary.period, days)
                done.waiting[summary.name] = f"{days}, at the latest on {until}: {said}"
                return
            figures = collect(conn, summary, days, now)
        drawn = message.pictures(figures)
        for channel_id in wanted:
            claim = summary_outbox.claim(
                conn, summary.id, days.first, channel_id, datetime.now(UTC)
            )
            if claim is not None:
                self.observe("claimed")
                self._send(conn, claim, standing[channel_id], figures, drawn, done)

    def _send(
        self,
        conn: psycopg.Connection,
        claim: Claim,
        channel: Channel,
        figures: Figures,
        drawn: tuple[bytes, ...],
        done: Sent,
    ) -> None:
        def accepted() -> None:
            self.observe("accepted")
            with suppress(OSError):  # a full disk must not make a message that arrived look failed
                self.journal.note(claim.key)
            self.observe("noted")

        try:
            repeat = claim.is_repeat_possible
            said = message.compose(
                claim.key, figures, self.app_url, drawn, is_repeat_possible=repeat
            )
            channels.send(open_address(self.ring, channel), said, accepted)
        except AstraeusError as error:
            # A key that is missing today may be back tomorrow, so only a refusal is final.
            is_dead = summary_outbox.mark_failed(
                conn,
                claim.key,
                str(error),
                is_final=isinstance(error, DeliveryError) and not error.transient,
                may_have_arrived=isinstance(error, DeliveryError) and error.may_have_arrived,
            )
            done.dead += is_dead
            done.failed += not is_dead
            return
        summary_outbox.mark_sent(conn, claim.key)
        self.observe("marked")
        self.journal.forget(claim.key)
        done.sent += 1


def collect(conn: psycopg.Connection, summary: Summary, days: DayRange, now: datetime) -> Figures:
    """Return a summary's figures of its period. Connect as app, under `no_build`."""
    return summary_figures.collect(conn, summary.name, summary.period, summary.scope, days, now)


def _work(
    conn: psycopg.Connection, today: date, at_once: str | None
) -> Iterator[tuple[Summary, DayRange, bool]]:
    """Yield the periods that may have to be told, and whether without waiting for bills.

    Those that were tried before do not wait any more.
    """
    summaries = [each for each in cost_summaries.list_summaries(conn) if each.is_active]
    by_id = {each.id: each for each in summaries}
    tried = set()
    for summary_id, start in summary_outbox.failed(conn):
        if summary := by_id.get(summary_id):
            days = periods.beginning(summary.period, start)
            tried.add((summary_id, days))
            yield summary, days, True
    for summary in summaries:
        days = periods.last_ended(summary.period, today)
        is_forced = summary.name == at_once
        if (summary.id, days) not in tried and (is_forced or days.last >= summary.starts_on):
            yield summary, days, is_forced
