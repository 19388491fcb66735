"""Claim: every kind of fault in a bill is blocked, on its own day and on no clean one.

Two refreshes of a bill of 90 days are fetched from each source by the real client, over HTTP or
from files. The first is loaded as it is. The second, in which every ninth day is restated, gets one
fault on a random day; the totals that the provider stated in its independent answer, or in the
manifest, stay right. Then the faulty day must not stand (refused, quarantined, or the whole
delivery failed with a reason), and every other day must stand as the clean refresh says, unless
the payload as a whole cannot be read: then the earlier refresh stands, and nothing is held back.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import psycopg

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from benchmarks.fault_kinds import HARMLESS, ROW_FAULTS, Bill
from benchmarks.fault_sources import BareFiles, Source, sources
from benchmarks.measure import machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import scratch

Spoil = Callable[[Source, Fetched, date], Fetched]


def _cut(source: Source, fetched: Fetched, day: date) -> Fetched:
    """End the payload in the middle of a row."""
    text = source.text(fetched)
    return source.with_text(fetched, text[: len(text) // 2 - 7])


def _twice(source: Source, fetched: Fetched, day: date) -> Fetched:
    """Deliver the file twice, under another name."""
    text = source.text(fetched)
    return source.with_text(fetched, text, text + b"")


def _foreign_days(source: Source, fetched: Fetched, day: date) -> Fetched:
    """Answer about a year ago, too."""
    rows = source.rows(fetched)
    far = [replace(row, day=row.day - timedelta(days=365)) for row in rows if row.day == day]
    return source.with_rows(fetched, [*rows, *far])


def _nonsense(source: Source, fetched: Fetched, day: date) -> Fetched:
    """Deliver an error page instead of the bill."""
    return source.with_text(fetched, b"<html><body>502 Bad Gateway</body></html>")


WHOLE_FAULTS: Final[dict[str, Spoil]] = {
    "payload cut off": _cut,
    "payload twice": _twice,
    "days that were not asked for": _foreign_days,
    "an error page instead": _nonsense,
}


@dataclass(frozen=True)
class Outcome:
    """What became of one faulty delivery."""

    source: Source
    fault: str
    is_harmless: bool
    standing: frozenset[date]  # faulty days whose wrong rows stand
    check: str
    reason: str
    held_clean: frozenset[date]  # clean days that are blocked or refused, or stand wrongly

    @property
    def is_blocked(self) -> bool:
        """Whether no wrong row stands."""
        return not self.standing

    @property
    def is_blind(self) -> bool:
        """Whether the provider states no totals, so that money cannot be compared with any."""
        return isinstance(self.source, BareFiles)


class Trial:
    """Loads the older refresh, then a spoilt newer one, under an account of its own."""

    def __init__(self, database: Database, store: LandingStore, today: date) -> None:
        self.database, self.store, self.today = database, store, today
        self.number = 0

    def run(self, source: Source, fault: str, seed: int) -> Outcome:
        """Plant a fault on a random day and see what stands."""
        self.number += 1
        account = f"trial-{self.number}"
        draw = random.Random(seed)
        inner = [day for day in source.days if source.days.first < day < source.days.last]
        inner = [day for position, day in enumerate(inner, 1) if position % 9 == 4]
        inner = [day for day in inner if 3 < day.day < 26]  # neighbours in the same month
        day = draw.choice(inner)
        with self.database.connect("loader", autocommit=True) as conn:
            for fetched in source.older:
                self._load(conn, source, account, fetched)
            reasons, faulty = [], set[date]()
            for fetched in source.newer:
                spoilt, days = fetched, set[date]()
                if day in fetched.days:
                    spoilt, days = _spoil(source, fetched, fault, day, draw)
                faulty |= days
                reasons.append(self._load(conn, source, account, spoilt))
            stands = self._standing(conn, source, account)
            held = self._held(conn, account)
        is_harmless = fault in HARMLESS
        wanted, before = self._sums(source, source.newer), self._sums(source, source.older)
        reason = next((each for each in reasons if each), "")
        failed = reason.startswith("failed")
        wrong = {each for each in faulty if stands.get(each) not in (wanted[each], before[each])}
        if fault == "stale refresh of a day" and day not in held:
            wrong.add(day)  # the older figures stand as if they were the newer
        clean = {
            each
            for each in source.days
            if each not in faulty
            and (each in held or stands.get(each) not in (wanted[each], *([before[each]] * failed)))
        }
        return Outcome(
            source, fault, is_harmless, frozenset(wrong), _check(reason), reason, frozenset(clean)
        )

    def _load(
        self, conn: psycopg.Connection, source: Source, account: str, fetched: Fetched
    ) -> str:
        """Load a delivery and return why it was held back, or nothing."""
        mine = replace(fetched, account_id=account)
        try:
            result = load(
                conn,
                source.provider.table_of(mine),
                mine,
                self.store.put_manifest(mine),
                lambda: source.provider.rows(mine, self.store),
                LoadOptions(self.today, source.provider.settle_days),
            )
        except AstraeusError as error:
            return f"failed: {error.message}"
        held = result.state in ("refused", "quarantined")
        return f"{result.state}: {result.conclusion.reason}" if held else ""

    def _standing(self, conn: psycopg.Connection, source: Source, account: str) -> dict[date, Any]:
        rows = conn.execute(
            "select usage_date, jsonb_object_agg(billing_period, sums), sum(rows)"
            " from raw.partitions where account_id = %s and rows > 0 group by 1",
            [account],
        )
        return {row[0]: (_flat(row[1]), int(row[2])) for row in rows}

    def _held(self, conn: psycopg.Connection, account: str) -> set[date]:
        rows = conn.execute(
            "select usage_date from raw.partitions where account_id = %s and state <> 'loaded'",
            [account],
        )
        return {row[0] for row in rows}

    def _sums(self, source: Source, deliveries: list[Fetched]) -> dict[date, Any]:
        """Return what a clean refresh sums to, by day; loaded once, under its own account."""
        account = f"clean-{type(source).__name__}-{deliveries is source.newer}".lower()
        with self.database.connect("loader", autocommit=True) as conn:
            known = self._standing(conn, source, account)
            if not known:
                for fetched in deliveries:
                    assert not self._load(conn, source, account, fetched)
                known = self._standing(conn, source, account)
        return known


def _flat(by_period: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(
        (currency, cost_type, amount)
        for _, sums in sorted(by_period.items())
        for currency, costs in sorted(sums.items())
        for cost_type, amount in sorted(costs.items())
    )


def _spoil(
    source: Source, fetched: Fetched, fault: str, day: date, draw: random.Random
) -> tuple[Fetched, set[date]]:
    """Return the spoilt delivery and the days that it gets wrong."""
    if fault in WHOLE_FAULTS:
        return WHOLE_FAULTS[fault](source, fetched, day), set(fetched.days) & set(source.days)
    older = next(each for each in source.older if day in each.days)
    bill = Bill(source.rows(fetched), source.rows(older), day, draw)
    (ROW_FAULTS | HARMLESS)[fault](bill)
    wrong = {day} if fault in ROW_FAULTS else set()
    if fault in ("row on the next day", "two days exchanged"):
        wrong.add(day + timedelta(days=1))
    if fault == "days cut at another midnight":
        wrong.add(day - timedelta(days=1))
    return source.with_rows(fetched, bill.rows), wrong


def _check(reason: str) -> str:
    if not reason:
        return ""
    for words, check in (
        ("residual", "control total"),
        ("quarantine", "rows that cannot be typed"),
        ("shrank", "shrinkage of a settled day"),
        ("announces", "announced rows"),
        ("also answered for", "days asked for"),
    ):
        if words in reason:
            return check
    return "payload cannot be read"


def trials(
    trial: Trial, found: Sequence[Source], faults: Sequence[str], seed: int
) -> Iterator[Outcome]:
    """Try every fault on every source."""
    for fault in faults:
        for source in found:
            yield trial.run(source, fault, seed)
            seed += 1


def all_faults() -> list[str]:
    """Return the names of all faults, and of what is none."""
    return [*ROW_FAULTS, *WHOLE_FAULTS, *HARMLESS]


def main() -> None:
    """Plant, load, judge, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--seed", type=int, default=5)
    chosen = parser.parse_args()
    today = datetime.now(UTC).date()
    last = today - timedelta(days=7)  # all days are settled
    days = DayRange(last - timedelta(days=chosen.days - 1), last)
    started = time.perf_counter()
    with scratch() as place:
        on = machine(place.admin)
        trial = Trial(place.database, place.landing, today)
        with sources(days, place.landing, place.home) as found:
            outcomes = list(trials(trial, found, all_faults(), chosen.seed))
    raise SystemExit(0 if _report(outcomes, on, chosen, time.perf_counter() - started) else 1)


def _report(
    outcomes: list[Outcome], on: dict[str, str], chosen: argparse.Namespace, seconds: float
) -> bool:
    faulty = [each for each in outcomes if not each.is_harmless]
    seen = [each for each in faulty if not (each.is_blind and not each.is_blocked)]
    unseen = [each for each in faulty if each.is_blind and not each.is_blocked]
    return Report(
        name="faults",
        title=f"{len({each.fault for each in faulty})} kinds of fault in bills of {chosen.days}"
        f" days from {len({type(each.source) for each in outcomes})} sources, {seconds:.0f} s",
        machine=on,
        options=vars(chosen),
        header=("source", "fault", "blocked", "by", "reason", "clean days blocked"),
        rows=[_row(each) for each in outcomes],
        goals=[
            Goal("faults not blocked, where the provider states totals",
                 sum(not each.is_blocked for each in seen), 0),
            Goal("clean days blocked or wrong", sum(len(each.held_clean) for each in outcomes), 0),
        ],
        notes=(
            f"{len(unseen)} faults in files without totals are not detectable: no control total.",
            "Where the whole payload cannot be read, the earlier refresh stands until it is fetched"
            " again; no day is held back.",
            "What no total can see, with any provider: a charge under another label for the same"
            " money, two faults that cancel out.",
        ),
    ).publish()  # fmt: skip


def _row(each: Outcome) -> list[str]:
    blocked = "yes" if each.is_blocked else "**no**"
    if each.is_harmless:
        blocked = "no fault" if not each.reason else "**yes, though no fault**"
    elif each.is_blind and not each.is_blocked:
        blocked = "not detectable: no control total"
    reason = each.reason if len(each.reason) < 150 else f"{each.reason[:147]}..."
    clean = str(len(each.held_clean))
    return [type(each.source).__name__, each.fault, blocked, each.check, reason, clean]


if __name__ == "__main__":
    main()
