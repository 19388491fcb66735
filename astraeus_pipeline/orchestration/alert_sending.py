"""The outbox emptied: each channel by itself, so that a broken one holds back no other.

A message is claimed (committed), sent, noted in the journal, marked as sent, and forgotten by the
journal. Where a sender was killed says what its successor does: before the claim, nothing had
happened; between the journal's note and the mark, it is marked; between claim and note nobody knows
whether it arrived, and it is sent again under its key, by which e-mail and webhooks drop a copy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg

from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.alerts import channels, messages, timing
from astraeus_pipeline.alerts.address import Address
from astraeus_pipeline.alerts.journal import Journal
from astraeus_pipeline.errors import AstraeusError, DeliveryError
from astraeus_pipeline.orchestration.alert_channels import open_address
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import alert_channels, alert_outbox
from astraeus_pipeline.warehouse.alert_outbox import Claim
from astraeus_pipeline.warehouse.engine import Database

_CHANNELS_AT_ONCE: Final = 4
_SECONDS: Final = 40.0

# Told what has just been done: found, raised, claimed, accepted, noted or marked.
Observer = Callable[[str], None]


def ignore(_: str) -> None:
    """Observe nothing."""


@dataclass(frozen=True)
class Sent:
    """What one pass over the outbox came to."""

    sent: int = 0
    failed: int = 0
    dead: int = 0
    recovered: int = 0

    def __add__(self, other: Sent) -> Sent:
        return Sent(
            self.sent + other.sent,
            self.failed + other.failed,
            self.dead + other.dead,
            self.recovered + other.recovered,
        )


@dataclass(frozen=True)
class Sender:
    """What sending needs; `lease` as in `warehouse.alert_outbox`, `seconds` for a pass."""

    database: Database
    ring: KeyRing
    journal: Journal
    app_url: str | None = None
    observe: Observer = ignore
    lease: timedelta = alert_outbox.LEASE
    seconds: float = _SECONDS

    @classmethod
    def from_settings(cls, settings: Settings, database: Database) -> Sender:
        """Open what the settings name; the journal lies in the home, on a disk of this machine."""
        return cls(
            database,
            KeyRing.from_settings(settings),
            Journal(settings.home / "alerts" / "accepted"),
            settings.app_url,
        )

    def send_all(self) -> Sent:
        """Send what is due on all channels; what does not fit into the time waits for the next."""
        with self.database.connect("app", autocommit=True) as conn:
            ids = alert_outbox.channels_with_work(conn, datetime.now(UTC))
            for key in alert_outbox.are_sent(conn, self.journal.keys()):
                self.journal.forget(key)  # killed between the mark and its own forgetting
        until = time.monotonic() + self.seconds
        with ThreadPoolExecutor(_CHANNELS_AT_ONCE) as pool:
            done = list(pool.map(lambda each: self.send_channel(each, until), ids))
        return sum(done, Sent())

    def send_channel(self, channel_id: str, until: float) -> Sent:
        """Send what is due on one channel, one after another, unless somebody else does."""
        done = Sent()
        with (
            self.database.connect("app", autocommit=True) as conn,
            alert_outbox.channel_lock(conn, channel_id) as is_mine,
        ):
            if not is_mine:
                return done
            recovered = alert_outbox.recover(
                conn, channel_id, self.journal.has, now=datetime.now(UTC), lease=self.lease
            )
            for key in recovered:
                self.journal.forget(key)
            done += Sent(recovered=len(recovered))
            while time.monotonic() < until:
                claim = alert_outbox.claim(conn, channel_id, datetime.now(UTC))
                if claim is None:
                    break
                self.observe("claimed")
                outcome = self._send(conn, channel_id, claim)
                done += outcome
                if outcome.failed:
                    break  # the rest would find the same closed door; they wait for the next pass
        return done

    def _send(self, conn: psycopg.Connection, channel_id: str, claim: Claim) -> Sent:
        def accepted() -> None:
            self.observe("accepted")
            with suppress(OSError):  # a full disk must not make a message that arrived look failed
                self.journal.note(claim.key)
            self.observe("noted")

        try:
            message = messages.compose(
                claim.key,
                claim.kind,
                claim.alerts,
                self.app_url,
                is_repeat_possible=claim.is_repeat_possible,
            )
            channels.send(self._address(conn, channel_id), message, accepted)
        except AstraeusError as error:
            return _failed(conn, claim, error)
        alert_outbox.mark_sent(conn, claim.id)
        self.observe("marked")
        self.journal.forget(claim.key)
        return Sent(sent=1)

    def _address(self, conn: psycopg.Connection, channel_id: str) -> Address:
        for channel in alert_channels.list_channels(conn):
            if channel.id == channel_id:
                return open_address(self.ring, channel)
        raise DeliveryError("The channel was removed.", transient=False)


def _failed(conn: psycopg.Connection, claim: Claim, error: AstraeusError) -> Sent:
    """Note why; a key that is missing today may be back tomorrow, so only a refusal is final."""
    refused = isinstance(error, DeliveryError) and not error.transient
    at = None
    if not refused:
        now = datetime.now(UTC)
        at = timing.retry_at(claim.timing, claim.severity, claim.attempts, now)
    may_have_arrived = isinstance(error, DeliveryError) and error.may_have_arrived
    alert_outbox.mark_failed(conn, claim.id, str(error), at, may_have_arrived=may_have_arrived)
    return Sent(dead=1) if at is None else Sent(failed=1)
